-- shape: none
-- tx: write
select refund_note_error(:flow.out_refund_no::text, :flow.error::text)
