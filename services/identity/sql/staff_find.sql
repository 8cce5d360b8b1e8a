-- shape: list
-- tx: read
select id, state, password_sealed::text as password_sealed, totp_state, totp_sealed::text as totp_sealed, totp_last_step, grants_revoked, organization, scopes
from staff_find(:flow.username::text)
