-- shape: page
-- tx: read
-- Campaigns that the public may see, newest first, each with its totals of this moment.
select c.id, c.organization, c.title, c.summary, c.state, c.area, c.starts_on, c.ends_on, c.goal_fen, c.min_gift_fen, c.max_gift_fen,
       c.filing_no, c.emergency_late,
       coalesce(m.payment_fen, 0) as "total.received_fen", coalesce(m.refund_fen, 0) as "total.refunded_fen",
       coalesce(m.payment_fen - m.refund_fen, 0) as "total.net_fen", coalesce(m.payment_count, 0) as "total.gift_count",
       now() as "total.as_of", log_size() as "total.log_size", c.created_at,
       c.created_at as "page.at", c.id as "page.id"
from campaign c left join campaign_money m on m.campaign_id = c.id
where c.state <> 'DRAFT' and c.fund_code is null
  and (:query.state::text is null or c.state = :query.state::text)
  and (:query.organization::text is null or c.organization = :query.organization::text
       or starts_with(c.organization, :query.organization::text || '/'))
  and (:query.q::text is null or position(lower(:query.q::text) in lower(c.title || ' ' || coalesce(c.summary, ''))) > 0)
  and (c.created_at, c.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by c.created_at desc, c.id desc
limit :page.limit::bigint
