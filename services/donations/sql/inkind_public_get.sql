-- shape: one
-- tx: read
-- What anyone may see of goods that were received: what, how much, at which price, and what is in a kit.
select g.public_code, g.organization, g.campaign_id, g.donor_kind, coalesce(g.donor_name, '爱心人士') as donor_name, g.wish, g.beneficiary, g.received_at, g.value_fen, g.unpriced_lines,
       inkind_lines(g.id) as lines
from inkind_gift g
where g.public_code = :path.public_code::text and g.received_at is not null
