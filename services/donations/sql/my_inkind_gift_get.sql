-- shape: one
-- tx: read
-- One that the caller offered.
select g.id, g.public_code, g.organization, g.campaign_id, g.donor_kind, g.donor_name, g.wish, g.beneficiary, g.deliver_on, g.state, g.offered_at, g.accepted_at, g.counted_at, g.received_at,
       g.value_fen, g.unpriced_lines, g.reason, g.ended_at,
       inkind_lines(g.id) as lines
from inkind_gift g
where g.id = :path.id::uuid and g.donor = :identity.subject::uuid
