-- shape: one
-- tx: write
select refund_settle(:flow.out_refund_no::text, :flow.state::text, :flow.refund_id::text, :flow.amount_fen::bigint, :flow.at::timestamptz) as state,
       refund_tags(:flow.out_refund_no::text) as "!purge"
