-- shape: none
-- tx: write
select receipt_fail(:flow.request_no::text, :flow.error::text)
