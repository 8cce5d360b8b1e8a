-- shape: one
-- tx: read
-- Read by flow_title.c, which opens the title.
select r.id, r.gift_id, r.public_code, r.amount_fen, r.amount_words, r.payer_kind, r.payer_uscc, r.state, rfc3339(r.created_at) as created_at,
       r.code, r.number, r.check_code, rfc3339(r.issued_at) as issued_at, rfc3339(r.ended_at) as ended_at, r.replaces, receipt_reversal_shown(r.id) as reversal,
       r.title as sealed, receipt_title_key(r.id) as wrapped_key, encode(receipt_salt(r.id), 'hex') as salt
from receipt r
where r.id = :path.id::uuid and r.donor = :identity.subject::uuid
