-- shape: one
-- tx: read
select id, gift_id, out_refund_no, split_part(out_trade_no, '-', 1) as public_code, amount_fen, reason, state, bank_reference, last_error,
       attempts, requested_by, created_at, finished_at
from refund
where id = :path.id::uuid
