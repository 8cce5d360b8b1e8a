-- shape: one
-- tx: write
-- An account that is this party's.
select p.id, p.organization, p.kind, p.disclosure, p.merged_into, p.created_by, p.created_at, p.erased_at
from party_link_to(:path.id::uuid, :body.subject::uuid) p
