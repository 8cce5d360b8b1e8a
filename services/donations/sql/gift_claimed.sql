-- shape: one
-- tx: read
-- What was done under this Idempotency-Key: the saved answer, or the order to go on with.
select i.fingerprint = :idempotency.fingerprint::uuid as same, i.answer, o.gift_id as id, o.out_trade_no, o.campaign_id, o.amount_fen,
       o.channel, o.state, o.prepay_id, rfc3339(o.expires_at) as expires_at, rfc3339(i.created_at) as created_at, c.title, o.expires_at <= now() as expired
from idempotency i
left join pay_order o on o.out_trade_no = i.out_trade_no
left join campaign c on c.id = o.campaign_id
where i.id = :idempotency.id::uuid
