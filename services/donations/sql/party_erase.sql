-- shape: one
-- tx: write
-- Name, phone, links, keys and what was shown of him go; amounts and the log stay. He may have given anywhere in the unit: all that is cached goes.
select p.id, p.organization, p.kind, p.disclosure, p.merged_into, p.created_by, p.created_at, p.erased_at, '*' as "!purge"
from party_erase(:path.id::uuid) p
