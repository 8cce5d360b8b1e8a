-- shape: none
-- tx: write
select event_add(:flow.event::text, 'partner', :flow.subject::uuid, :flow.session::uuid, null, :flow.network_shown::text, :flow.client_id::text)
