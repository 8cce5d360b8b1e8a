-- shape: one
-- tx: write
-- A gift letter, by the donor or by staff at the counter.
select g.id, g.public_code, g.organization, g.campaign_id, g.donor_kind, g.donor_name, g.wish, g.beneficiary, g.deliver_on, g.state, g.offered_at, g.accepted_at, g.counted_at, g.received_at,
       g.value_fen, g.unpriced_lines, g.reason, g.ended_at,
       inkind_lines(g.id) as lines, case current_kind() when 'staff' then '/v1/inkind-gifts/' else '/v1/me/inkind-gifts/' end || g.id as "!location"
from inkind_offer(:new.id::uuid, :new.public_code::text, :body::json, (now() at time zone 'Asia/Shanghai')::date) g
