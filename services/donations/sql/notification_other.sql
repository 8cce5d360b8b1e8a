-- shape: one
-- tx: write
-- Well signed, but none of our business: kept, not acted on.
select payment_notification_store(:flow.event_id::text, :flow.event_type::text, :flow.serial::text, :flow.body::bytea, 'IGNORED') as fresh
