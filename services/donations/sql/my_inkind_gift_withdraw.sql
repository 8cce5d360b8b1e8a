-- shape: one
-- tx: write
-- The donor takes the offer back.
select g.id, g.public_code, g.organization, g.campaign_id, g.donor_kind, g.donor_name, g.wish, g.beneficiary, g.deliver_on, g.state, g.offered_at, g.accepted_at, g.counted_at, g.received_at,
       g.value_fen, g.unpriced_lines, g.reason, g.ended_at,
       inkind_lines(g.id) as lines
from inkind_end(:path.id::uuid, :body.reason::text) g
