-- shape: none
-- tx: write
-- A partner's token has no session to end: nothing happens.
select session_revoke(:identity.session::uuid, :identity.subject::uuid, 'LOGOUT', :identity.subject::uuid)
