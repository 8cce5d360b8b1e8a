-- shape: one
-- tx: write
-- Taken in by somebody who did not count: posted, told to the warehouses, and a leaf.
select g.id, g.public_code, g.organization, g.campaign_id, g.donor_kind, g.donor_name, g.wish, g.beneficiary, g.deliver_on, g.state, g.offered_at, g.registered_by, g.accepted_by, g.accepted_at,
       g.counted_by, g.counted_at, g.received_by, g.received_at, g.value_fen, g.unpriced_lines, g.reason, g.ended_at,
       inkind_lines(g.id) as lines
from inkind_receive(:path.id::uuid, now()) g
