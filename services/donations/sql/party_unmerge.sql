-- shape: one
-- tx: write
-- They were two after all.
select p.id, p.organization, p.kind, p.disclosure, p.merged_into, p.created_by, p.created_at, p.erased_at
from party_unmerge_from(:path.id::uuid, :body.reason::text) p
