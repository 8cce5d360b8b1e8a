-- shape: one
-- tx: write
-- Staff found the money on the bank statement. Amount and channel are compared first, so that a slip of the pen changes nothing.
with judged as (
    select g.id, g.public_code, g.campaign_id, g.amount_fen, g.paid_at,
           case when g.channel <> 'BANK_TRANSFER' then 'gift-not-by-transfer'
                when g.amount_fen <> :body.amount_fen::bigint then 'transfer-amount-differs'
                when :body.received_at::timestamptz < g.created_at - interval '1 day'
                     or (:body.received_at::timestamptz at time zone 'Asia/Shanghai')::date < c.starts_on then 'transfer-before-gift'
                when :body.received_at::timestamptz > now() + interval '5 minutes' then 'transfer-in-future'
                when bank_line_income(:body.bank_reference::text) then 'pay-order-transaction-taken' end as problem
    from gift g left join campaign c on c.id = g.campaign_id
    where g.id = :path.id::uuid
), settled as materialized (
    select payment_settle(public_code, 'bank:' || :body.bank_reference::text, amount_fen, :body.received_at::timestamptz) as outcome
    from judged where problem is null
)
select coalesce(j.problem, case s.outcome when 'SETTLED' then null when 'ALREADY' then null
                                when 'TRANSACTION_TAKEN' then 'pay-order-transaction-taken' else 'conflict-state' end) as "!problem",
       j.id, j.public_code, j.campaign_id, j.amount_fen, 'PAID' as state, coalesce(j.paid_at, :body.received_at::timestamptz) as paid_at,
       case s.outcome when 'SETTLED' then concat('gift:', j.public_code, ' campaign:', j.campaign_id, ' campaigns summary') end as "!purge"
from judged j left join settled s on true
