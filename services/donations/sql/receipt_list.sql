-- shape: page
-- tx: read
-- Of the unit and below, newest first.
select r.id, r.gift_id, r.public_code, r.organization, r.campaign_id, r.amount_fen, r.amount_words, r.payer_kind, r.payer_uscc, r.state, r.created_at, r.request_no,
       r.code, r.number, r.check_code, r.issued_at, r.ended_at, r.replaces, r.attempts, r.last_error, receipt_reversal_shown(r.id) as reversal, r.id as "page.id"
from receipt r
where in_my_organization(r.organization) and (:query.state::text is null or r.state = :query.state::text)
  and (:query.gift_id::uuid is null or r.gift_id = :query.gift_id::uuid)
  and r.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by r.id desc
limit :page.limit::bigint
