-- shape: list
-- tx: write
-- A slice of the orders that are due, for the job.
select out_trade_no, amount_fen, channel, expired from order_take_due(200)
