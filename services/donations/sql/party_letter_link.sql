-- shape: one
-- tx: write
-- A letter of goods, written down at the counter, that is this party's.
select p.id, p.organization, p.kind, p.disclosure, p.merged_into, p.created_by, p.created_at, p.erased_at
from party_letter_to(:path.id::uuid, :body.inkind_gift_id::uuid) p
