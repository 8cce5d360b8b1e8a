-- shape: one
-- tx: read
select d.id, d.day as date, d.kind, d.subject, d.number, d.provider_id, d.ours_fen, d.theirs_fen, d.organization, d.note, d.first_run, d.last_run,
       d.seen_at, d.settled_at, reconciliation_state(d) as state,
       r.reason as "resolution.reason", r.resolved_by as "resolution.resolved_by", r.resolved_at as "resolution.resolved_at"
from reconciliation_difference d left join reconciliation_resolution r on r.difference_id = d.id
where d.id = :path.id::uuid
