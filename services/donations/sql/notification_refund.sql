-- shape: one
-- tx: write
with settled as materialized (
    select refund_settle(:flow.out_refund_no::text, :flow.state::text, :flow.refund_id::text, :flow.amount_fen::bigint, :flow.at::timestamptz) as outcome
)
select outcome, payment_notification_store(:flow.event_id::text, :flow.event_type::text, :flow.serial::text, :flow.body::bytea, outcome) as fresh,
       refund_tags(:flow.out_refund_no::text) as "!purge"
from settled
