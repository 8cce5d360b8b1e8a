-- shape: none
-- tx: write
select session_revoke(:flow.session::uuid, null, 'GRANTS_CHANGED', null)
