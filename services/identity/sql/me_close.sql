-- shape: none
-- tx: write
-- Close one's own account.
select citizen_close(:identity.session::uuid) as "!problem"
