-- shape: one
-- tx: write
select order_close(:flow.out_trade_no::text) as closed
