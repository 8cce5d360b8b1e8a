-- shape: one
-- tx: read
-- Everything there is, at one moment, from one statement.
select coalesce(sum(m.payment_fen), 0)::bigint as received_fen, coalesce(sum(m.refund_fen), 0)::bigint as refunded_fen,
       coalesce(sum(m.payment_fen - m.refund_fen), 0)::bigint as net_fen, coalesce(sum(m.payment_count), 0)::bigint as gift_count,
       count(*) filter (where c.state <> 'DRAFT' and c.fund_code is null) as campaign_count,
       count(*) filter (where c.state = 'OPEN' and c.fund_code is null) as open_campaign_count,
       now() as as_of, log_size() as log_size
from campaign c left join campaign_money m on m.campaign_id = c.id
