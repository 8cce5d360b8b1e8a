-- shape: one
-- tx: write
-- The provider's answer and ours, in one transaction; an answer that is there already stays.
with placed as materialized (
    select order_placed(:flow.out_trade_no::text, :flow.prepay_id::text) as state
), saved as (
    update idempotency set answer = :flow.answer::json
    from placed
    where id = :idempotency.id::uuid and answer is null and placed.state = 'ORDERED'
)
select state from placed
