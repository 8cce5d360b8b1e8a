-- shape: page
-- tx: read
-- Goods that were received, newest first.
select g.public_code, g.organization, g.campaign_id, g.donor_kind, coalesce(g.donor_name, '爱心人士') as donor_name, g.wish, g.beneficiary, g.received_at, g.value_fen, g.unpriced_lines,
       g.received_at as "page.at", g.public_code as "page.code"
from inkind_gift g
where g.received_at is not null
  and (g.received_at, g.public_code) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.code::text, '~'))
order by g.received_at desc, g.public_code desc
limit :page.limit::bigint
