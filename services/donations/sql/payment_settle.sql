-- shape: one
-- tx: write
select payment_settle(:flow.out_trade_no::text, :flow.transaction_id::text, :flow.amount_fen::bigint, :flow.at::timestamptz) as outcome,
       (select concat('gift:', split_part(o.out_trade_no, '-', 1), ' campaign:', o.campaign_id, ' campaigns summary')
        from pay_order o where o.out_trade_no = :flow.out_trade_no::text) as "!purge"
