-- shape: one
-- tx: read
-- Read by flow_mine.c, which opens the name.
select g.id, g.public_code, json_build_object('id', g.campaign_id, 'title', c.title) as campaign,
       case when pg.id is not null then json_build_object('code', pg.code, 'title', pg.title) end as page, g.amount_fen, g.refunded_fen,
       g.channel, g.state, g.disclosure, g.shown_name, g.message, g.real_name, k.wrapped_key, encode(m.salt, 'hex') as salt,
       rfc3339(g.created_at) as created_at, rfc3339(g.paid_at) as paid_at,
       case when g.state = 'PENDING' then o.out_trade_no end as out_trade_no,
       case when g.state = 'PENDING' then rfc3339(o.expires_at) end as expires_at,
       coalesce((select json_agg(json_build_object('id', r.id, 'amount_fen', r.amount_fen, 'state', r.state,
                     'created_at', rfc3339(r.created_at)) order by r.id)
                 from refund r where r.gift_id = g.id), '[]') as refunds
from gift g
left join person_key k on k.key_id = g.key_id
left join gift_commitment m on m.gift_id = g.id
left join campaign c on c.id = g.campaign_id
left join page pg on pg.id = g.page_id
left join pay_order o on o.out_trade_no = g.public_code
where g.id = :path.id::uuid and g.donor = :identity.subject::uuid
