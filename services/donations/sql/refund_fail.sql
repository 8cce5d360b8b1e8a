-- shape: one
-- tx: write
-- WeChat will not do it; staff retry or close it.
select refund_fail(:flow.out_refund_no::text, :flow.error::text) as state
