-- shape: one
-- tx: write
select payment_settle(:flow.out_trade_no::text, :flow.transaction_id::text, :flow.amount_fen::bigint, :flow.at::timestamptz) as outcome
