-- shape: one
-- tx: write
-- The fund's donors were told of everything it has paid so far.
select u.id, :path.code::text as fund, u.note, u.document_sha256, u.sent_by, u.sent_at, :body.uses::integer as uses
from use_feedback_send(:new.id::uuid, :path.code::text, :body.uses::integer, :body.seen::text, :body.note::text, :body.document_sha256::text) u
