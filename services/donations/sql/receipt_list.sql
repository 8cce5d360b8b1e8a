-- shape: page
-- tx: read
-- Of the unit and below, newest first; of each unit a page from its own part of the index.
select r.id, r.gift_id, r.public_code, r.organization, r.campaign_id, r.amount_fen, r.amount_words, r.payer_kind, r.payer_uscc, r.state, r.created_at, r.request_no,
       r.code, r.number, r.check_code, r.issued_at, r.ended_at, r.replaces, r.attempts, r.last_error, receipt_reversal_shown(r.id) as reversal, r.id as "page.id"
from receipt_units() u cross join lateral (
    select x.* from (
        select o.id, o.gift_id, o.public_code, o.organization, o.campaign_id, o.amount_fen, o.amount_words, o.payer_kind, o.payer_uscc, o.state, o.created_at, o.request_no,
               o.code, o.number, o.check_code, o.issued_at, o.ended_at, o.replaces, o.attempts, o.last_error
        from receipt o
        where o.organization = u and (:query.state::text is null or o.state = :query.state::text)
          and (:query.reversal_state::text is null
               or exists (select from receipt_reversal v where v.receipt_id = o.id and v.state = :query.reversal_state::text))
          and (:query.gift_id::uuid is null or o.gift_id = :query.gift_id::uuid)
          and o.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ) x
    order by x.id desc
    limit :page.limit::bigint
) r
order by r.id desc
limit :page.limit::bigint
