-- shape: one
-- tx: write
-- batch: 64
-- Settle and keep the bytes, in one transaction; calls that wait for the connection share it. In the order of their numbers, so that two
-- lanes wait for each other's orders in one direction.
with settled as materialized (
    select a.*, payment_settle(number, transaction_id, amount_fen, at) as outcome
    from (select ord, :flow.out_trade_no::text as number, :flow.transaction_id::text as transaction_id, :flow.amount_fen::bigint as amount_fen,
                 :flow.at::timestamptz as at, :flow.event_id::text as event_id, :flow.event_type::text as event_type, :flow.serial::text as serial,
                 :flow.body::bytea as body
          from input order by 2, 1) a
)
select ord, outcome, payment_notification_store(event_id, event_type, serial, body, outcome) as fresh,
       (select concat('gift:', split_part(o.out_trade_no, '-', 1), ' campaign:', o.campaign_id, ' campaigns summary')
        from pay_order o where o.out_trade_no = number) as "!purge"
from settled
