-- shape: one
-- tx: write
-- The provider's answer and ours, in one transaction. An answer that is there already stays and is given back: of two requests with
-- one key that ran at the same time, both show what the first one saved.
with placed as materialized (
    select order_placed(:flow.out_trade_no::text, :flow.prepay_id::text) as state
), saved as (
    update idempotency i set answer = coalesce(i.answer, :flow.answer::json)
    from placed
    where i.id = :idempotency.id::uuid and placed.state = 'ORDERED'
    returning i.answer
)
select placed.state, saved.answer from placed left join saved on true
