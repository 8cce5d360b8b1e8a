-- shape: one
-- tx: write
-- batch: 128
-- All gifts that wait: refuse what the campaign does not take, claim the keys, write gift, key and order. One commit for all.
-- `claimed` is false when the Idempotency-Key was used before: the flow then reads gift_claimed. A refusal claims nothing.
with asked as materialized (
    select ord, :new.id::uuid as id, :new.public_code::text as code, :identity.subject::uuid as donor,
           coalesce(:body.campaign_id::uuid, (select f.campaign_id from fund f where f.code = :body.fund_code::text)) as campaign_id,
           :body.campaign_id::uuid is null as to_fund, num_nonnulls(:body.campaign_id::uuid, :body.fund_code::text) as targets, :body.amount_fen::bigint as amount_fen,
           coalesce(:body.channel::text, 'WECHAT_JSAPI') as channel, coalesce(:body.disclosure::text, 'ANONYMOUS') as disclosure,
           :flow.shown_name::text as shown_name, :body.message::text as message, :body.page_code::text as page_code, :body.earmark::text as earmark, :flow.real_name::bytea as real_name, :flow.salt::bytea as salt, :flow.commitment::text as commitment,
           :pii.key_id::uuid as key_id, :pii.wrapped_key::bytea as wrapped_key,
           :idempotency.id::uuid as claim, :idempotency.fingerprint::uuid as fingerprint
    from input
), judged as materialized (
    select a.*, c.title, p.id as page_id, now() + case a.channel when 'BANK_TRANSFER' then interval '30 days' else interval '30 minutes' end as expires_at,
           case when a.targets <> 1 then 'gift-target'
                when a.to_fund and (c.fund_code is null or c.state <> 'OPEN' or t.today not between c.starts_on and c.ends_on) then 'gift-fund-closed'
                when c.id is null or c.state = 'DRAFT' or (c.fund_code is not null and not a.to_fund) then 'campaign-not-found'
                when c.state <> 'OPEN' then 'campaign-not-open'
                when t.today < c.starts_on then 'campaign-not-started'
                when t.today > c.ends_on then 'campaign-ended'
                when c.filing_no is null and c.fund_code is null and t.today > c.starts_on + 10 then 'campaign-filing-overdue'
                when a.amount_fen < c.min_gift_fen then 'amount-below-minimum'
                when a.amount_fen > c.max_gift_fen then 'amount-above-maximum'
                when a.page_code is not null and p.id is null then 'gift-page-open'
                when a.earmark is not null and not exists (select from fund_earmark e where e.fund_id = c.id and e.code = a.earmark) then 'gift-earmark' end as problem,
           case when a.channel = 'BANK_TRANSFER' then json_build_object('holder', c.bank_holder, 'bank', c.bank_name,
                'account', c.bank_account, 'remark', a.code) end as transfer,
           rfc3339(now()) as created_text
    from asked a
    cross join (select (now() at time zone 'Asia/Shanghai')::date as today) t
    left join campaign c on c.id = a.campaign_id
    left join page_taking_gifts p on p.code = a.page_code and p.campaign_id = a.campaign_id and p.open
), claimed as (
    insert into idempotency (id, operation, fingerprint, out_trade_no, answer)
    select claim, 'gift_create', fingerprint, code,
           case when channel = 'BANK_TRANSFER' then json_build_object('id', id, 'public_code', code, 'out_trade_no', code,
                'campaign_id', campaign_id, 'amount_fen', amount_fen, 'channel', channel, 'state', 'PENDING',
                'created_at', created_text, 'expires_at', rfc3339(expires_at), 'transfer', transfer) end
    from judged where problem is null
    on conflict (id) do nothing
    returning out_trade_no, answer
), made as materialized (
    select j.*, i.answer from judged j join claimed i on i.out_trade_no = j.code
), sealed as (
    insert into person_key (key_id, subject, wrapped_key)
    select key_id, donor, wrapped_key from made where key_id is not null
), committed as (
    insert into gift_commitment (gift_id, key_id, salt, commitment)
    select id, key_id, salt, commitment from made where key_id is not null
), given as (
    insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure, shown_name, message, real_name, key_id, page_id, earmark)
    select id, code, campaign_id, donor, amount_fen, channel, disclosure, shown_name, message, real_name, key_id, page_id, earmark from made
), ordered as (
    insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at)
    select code, id, campaign_id, amount_fen, channel, expires_at,
           case channel when 'BANK_TRANSFER' then expires_at else now() + interval '1 minute' end
    from made
)
select j.ord, case when m.id is null and not exists (select from idempotency u where u.id = j.claim) then j.problem end as "!problem",
       m.id is not null as claimed, j.id, j.code as out_trade_no, j.campaign_id, j.amount_fen, j.channel, j.title,
       rfc3339(j.expires_at) as expires_at, j.created_text as created_at, m.answer
from judged j left join made m on m.id = j.id
