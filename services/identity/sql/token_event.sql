-- shape: none
-- tx: write
select event_add('TOKEN_ISSUED', 'partner', :flow.subject::uuid, :flow.session::uuid, null, :flow.network_shown::text, null)
