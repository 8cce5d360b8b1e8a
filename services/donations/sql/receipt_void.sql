-- shape: one
-- tx: write
-- Turns it back by red letter, which the job carries; gives up one that failed.
select r.id, r.gift_id, r.public_code, r.organization, r.campaign_id, r.amount_fen, r.amount_words, r.payer_kind, r.payer_uscc, r.state, r.created_at, r.request_no,
       r.code, r.number, r.check_code, r.issued_at, r.ended_at, r.replaces, r.attempts, r.last_error, receipt_reversal_shown(r.id) as reversal
from receipt_void(:new.id::uuid, :path.id::uuid, :body.reason::text) r
