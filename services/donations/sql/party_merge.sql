-- shape: one
-- tx: write
-- Two records of one donor; nothing is moved.
select p.id, p.organization, p.kind, p.disclosure, p.merged_into, p.created_by, p.created_at, p.erased_at
from party_merge_into(:new.id::uuid, :path.id::uuid, :body.into::uuid, :body.reason::text) p
