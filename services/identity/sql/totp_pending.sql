-- shape: one
-- tx: read
select totp_pending(:identity.subject::uuid)::text as totp_sealed
