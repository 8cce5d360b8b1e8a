-- shape: page
-- tx: read
-- Refunds of gifts to the caller's unit and below, newest first; row-level security says which.
select id, gift_id, out_refund_no, split_part(out_trade_no, '-', 1) as public_code, amount_fen, reason, state, bank_reference, last_error,
       attempts, requested_by, created_at, finished_at, id as "page.id"
from refund
where (:query.state::text is null or state = :query.state::text)
  and (:query.gift_id::uuid is null or gift_id = :query.gift_id::uuid)
  and id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by id desc
limit :page.limit::bigint
