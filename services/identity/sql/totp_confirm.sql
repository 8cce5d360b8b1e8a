-- shape: one
-- tx: write
select totp_confirm(:identity.subject::uuid, :flow.totp_sealed::bytea, :flow.totp_step::bigint, :flow.bucket::text) as confirmed
