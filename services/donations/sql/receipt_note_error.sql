-- shape: none
-- tx: write
select receipt_note_error(:flow.request_no::text, :flow.error::text)
