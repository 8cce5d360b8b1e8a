-- shape: page
-- tx: read
-- The caller's receipts, newest first.
select r.id, r.gift_id, r.public_code, r.amount_fen, r.amount_words, r.payer_kind, r.state, r.created_at, r.code, r.number, r.check_code, r.issued_at, r.ended_at,
       r.replaces, receipt_reversal_shown(r.id) as reversal, r.id as "page.id"
from receipt r
where r.donor = :identity.subject::uuid and r.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by r.id desc
limit :page.limit::bigint
