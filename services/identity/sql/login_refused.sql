-- shape: none
-- tx: write
select event_add('LOGIN_REFUSED', 'staff', :flow.subject::uuid, null, null, :flow.network_shown::text, :flow.reason::text)
