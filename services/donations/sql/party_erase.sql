-- shape: one
-- tx: write
-- Name, phone, links and keys go; amounts and the log stay.
select p.id, p.organization, p.kind, p.disclosure, p.merged_into, p.created_by, p.created_at, p.erased_at
from party_erase(:path.id::uuid) p
