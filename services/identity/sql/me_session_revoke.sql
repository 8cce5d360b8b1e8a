-- shape: none
-- tx: write
select case when not session_revoke(:path.id::uuid, :identity.subject::uuid, 'CLOSED_BY_OWNER', :identity.subject::uuid) then 'not-found' end as "!problem"
