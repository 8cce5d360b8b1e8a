-- shape: one
-- tx: write
-- Settle and keep the bytes, in one transaction.
with settled as materialized (
    select payment_settle(:flow.out_trade_no::text, :flow.transaction_id::text, :flow.amount_fen::bigint, :flow.at::timestamptz) as outcome
)
select outcome, payment_notification_store(:flow.event_id::text, :flow.event_type::text, :flow.serial::text, :flow.body::bytea, outcome) as fresh,
       (select concat('gift:', split_part(o.out_trade_no, '-', 1), ' campaign:', o.campaign_id, ' campaigns summary')
        from pay_order o where o.out_trade_no = :flow.out_trade_no::text) as "!purge"
from settled
