-- shape: one
-- tx: read
select r.id, r.day as date, r.requested_by, r.requested_at, r.state, r.attempts, r.next_try_at, r.last_error, r.finished_at, r.trade_sha1, r.fund_sha1,
       r.payments, r.refunds, r.paid_fen, r.refunded_fen, r.fee_milli_fen,
       r.receipts, r.red_letters, r.receipts_fen, r.red_fen, r.receipts_error, r.found, r.settled
from reconciliation_run r
where r.id = :path.id::uuid
