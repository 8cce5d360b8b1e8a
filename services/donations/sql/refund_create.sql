-- shape: one
-- tx: write
-- Holds the amount and says so; the job refund_follow carries it to WeChat and follows it to its end.
with judged as (
    select g.id as gift_id, g.public_code, o.out_trade_no, coalesce(:body.amount_fen::bigint, o.amount_fen - o.refund_held_fen) as amount_fen,
           case when g.paid_at is null then 'gift-not-paid'
                when g.channel = 'BANK_TRANSFER' and :body.bank_reference::text is null then 'refund-bank-reference-missing'
                when g.channel <> 'BANK_TRANSFER' and :body.bank_reference::text is not null then 'refund-bank-reference-unexpected'
                when coalesce(:body.amount_fen::bigint, o.amount_fen - o.refund_held_fen) > o.amount_fen - o.refund_held_fen
                     or o.amount_fen = o.refund_held_fen then 'refund-exceeds-payment' end as problem
    from gift g join pay_order o on o.out_trade_no = g.public_code
    where g.id = :path.id::uuid
), done as materialized (
    select refund_request(:new.id::uuid, gift_id, out_trade_no, amount_fen, :body.reason::text, :identity.subject::uuid,
                          :body.bank_reference::text) as state
    from judged where problem is null
)
select j.problem as "!problem", :new.id::uuid as id, j.gift_id, j.public_code, j.amount_fen, :body.reason::text as reason, done.state,
       now() as created_at, '/v1/refunds/' || :new.id::uuid as "!location"
from judged j left join done on true
