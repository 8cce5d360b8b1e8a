-- shape: one
-- tx: read
-- The caller's own order, to be paid (again).
select g.id, g.public_code, o.out_trade_no, o.campaign_id, o.amount_fen, o.channel, o.state,
       case when coalesce(o.ordered_at, g.created_at) > now() - interval '110 minutes' then o.prepay_id end as prepay_id, -- good for two hours
       rfc3339(o.expires_at) as expires_at, rfc3339(g.created_at) as created_at, c.title,
       o.expires_at <= now() as expired
from gift g
join pay_order o on o.out_trade_no = g.public_code
left join campaign c on c.id = g.campaign_id
where g.id = :path.id::uuid and g.donor = :identity.subject::uuid
