-- shape: one
-- tx: write
-- Another name for received goods, with a document; the line stays as it was.
select g.id, g.public_code, g.organization, g.campaign_id, g.donor_kind, g.donor_name, g.wish, g.beneficiary, g.deliver_on, g.state, g.offered_at, g.registered_by, g.accepted_by, g.accepted_at,
       g.counted_by, g.counted_at, g.received_by, g.received_at, g.value_fen, g.unpriced_lines, g.reason, g.ended_at,
       inkind_lines(g.id) as lines
from inkind_reclassify(:new.id::uuid, :path.id::uuid, :body.line_no::smallint, :body.quantity::bigint, :body.name::text, :body.spec::text,
                       :body.reason::text, :body.document_sha256::text) g
