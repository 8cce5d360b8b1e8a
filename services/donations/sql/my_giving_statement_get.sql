-- shape: one
-- tx: read
-- What the caller gave in a year (Asia/Shanghai), by the day of payment.
select :path.year::integer as year, s.gift_count, s.amount_fen, s.refunded_fen, s.net_fen, s.campaigns, s.receipt_count, s.receipts_fen, date_trunc('second', now()) as as_of
from giving_statement(array[:identity.subject::uuid], :path.year::integer) s
