-- shape: one
-- tx: write
-- Keeps both bills and the receipts' list, compares, settles: one transaction.
select reconciliation_finish(:flow.run_id::uuid, :flow.trade_sha1::text, :flow.fund_sha1::text, :flow.trade::json, :flow.fund::json,
    :flow.receipts::json, :flow.receipts_error::text) as "!purge"
