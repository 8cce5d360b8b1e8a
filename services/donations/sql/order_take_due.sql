-- shape: one
-- tx: write
select out_trade_no, amount_fen, channel, expired from order_take_due()
