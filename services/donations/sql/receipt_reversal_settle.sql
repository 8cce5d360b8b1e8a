-- shape: none
-- tx: write
select receipt_reversal_settle(:flow.request_no::text, :flow.amount_fen::bigint, :flow.code::text, :flow.number::text, :flow.check_code::text, receipt_time(:flow.at::text))
