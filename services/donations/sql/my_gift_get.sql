-- shape: one
-- tx: read
select g.id, g.public_code, g.campaign_id as "campaign.id", c.title as "campaign.title", g.amount_fen, g.refunded_fen,
       g.channel, g.state, g.disclosure, g.shown_name, g.message, g.created_at, g.paid_at,
       case when g.state = 'PENDING' then o.out_trade_no end as out_trade_no,
       case when g.state = 'PENDING' then o.expires_at end as expires_at,
       coalesce((select json_agg(json_build_object('id', r.id, 'amount_fen', r.amount_fen, 'state', r.state,
                     'created_at', rfc3339(r.created_at)) order by r.id)
                 from refund r where r.gift_id = g.id), '[]') as refunds
from gift g
left join campaign c on c.id = g.campaign_id
left join pay_order o on o.out_trade_no = g.public_code
where g.id = :path.id::uuid and g.donor = :identity.subject::uuid
