-- shape: list
-- tx: write
-- A slice of the refunds that are due, for the job.
select id, out_refund_no, out_trade_no, amount_fen, total_fen, reason, state from refund_take_due(100)
