-- shape: one
-- tx: write
-- What was done about it, once and for all.
select r.difference_id as id, 'RESOLVED' as state, r.reason, r.resolved_by, r.resolved_at, '/v1/reconciliation-differences/' || r.difference_id as "!location"
from reconciliation_resolve(:path.id::uuid, :body.reason::text, :identity.subject::uuid) r
where r.difference_id is not null
