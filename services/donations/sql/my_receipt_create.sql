-- shape: one
-- tx: write
-- Asked for by the donor; flow_title.c has sealed the title.
select r.id, r.gift_id, r.public_code, r.amount_fen, r.amount_words, r.payer_kind, r.payer_uscc, r.state, rfc3339(r.created_at) as created_at,
       r.code, r.number, r.check_code, rfc3339(r.issued_at) as issued_at, rfc3339(r.ended_at) as ended_at, r.replaces, null::json as reversal
from receipt_request(:new.id::uuid, :path.id::uuid, coalesce(:body.payer_kind::text, 'PERSON'), :body.payer_uscc::text, :flow.title::bytea, :pii.key_id::uuid,
    :pii.wrapped_key::bytea, :flow.salt::bytea, :flow.commitment::text) r
