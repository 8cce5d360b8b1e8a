-- shape: one
-- tx: write
select totp_enrol(:identity.subject::uuid, :flow.totp_sealed::bytea) as enrolled, (select username from staff where id = :identity.subject::uuid) as username
