-- shape: one
-- tx: read
-- One of the unit's.
select g.id, g.public_code, g.organization, g.campaign_id, g.donor_kind, g.donor_name, g.wish, g.beneficiary, g.deliver_on, g.state, g.offered_at, g.registered_by, g.accepted_by, g.accepted_at,
       g.counted_by, g.counted_at, g.received_by, g.received_at, g.value_fen, g.unpriced_lines, g.reason, g.ended_at,
       c.counted_on, c.sheet_sha256, inkind_lines(g.id) as lines
from inkind_gift g left join inkind_count c on c.gift_id = g.id
where g.id = :path.id::uuid and in_my_organization(g.organization)
