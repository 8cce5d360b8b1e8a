-- shape: list
-- tx: write
-- A slice of what is to be asked for at the platform, for the job.
select kind, request_no, amount_fen, amount_words, payer_kind, payer_uscc, title, wrapped_key, item, public_code, original_code, original_number, reason
from receipt_take_due(8)
