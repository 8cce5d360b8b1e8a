-- shape: one
-- tx: write
select r.id, r.day as date, r.requested_by, r.requested_at, r.state, r.attempts, r.next_try_at, r.last_error, r.finished_at, r.trade_sha1, r.fund_sha1,
       r.payments, r.refunds, r.paid_fen, r.refunded_fen, r.fee_milli_fen,
       r.receipts, r.red_letters, r.receipts_fen, r.red_fen, r.receipts_error, r.found, r.settled,
       '/v1/reconciliation-runs/' || r.id as "!location"
from reconciliation_start(:new.id::uuid, :body.date::date, :identity.subject::uuid) r
