-- shape: page
-- tx: read
-- The work list, newest first; row-level security says whose.
select d.id, d.day as date, d.kind, d.subject, d.number, d.provider_id, d.ours_fen, d.theirs_fen, d.organization, d.note, d.first_run, d.last_run,
       d.seen_at, d.settled_at, reconciliation_state(d) as state,
       r.reason as "resolution.reason", r.resolved_by as "resolution.resolved_by", r.resolved_at as "resolution.resolved_at",
       d.seen_at as "page.at", d.id as "page.id"
from reconciliation_difference d left join reconciliation_resolution r on r.difference_id = d.id
where (:query.state::text is null or reconciliation_state(d) = :query.state::text) and (:query.kind::text is null or d.kind = :query.kind::text)
  and (:query.date::date is null or d.day = :query.date::date) and (:query.number::text is null or d.number = :query.number::text)
  and (d.seen_at, d.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by d.seen_at desc, d.id desc
limit :page.limit::bigint
