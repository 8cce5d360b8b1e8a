-- shape: one
-- tx: write
select order_placed(:flow.out_trade_no::text, :flow.prepay_id::text) as state
