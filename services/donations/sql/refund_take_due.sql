-- shape: one
-- tx: write
select id, out_refund_no, out_trade_no, amount_fen, total_fen, reason, state from refund_take_due()
