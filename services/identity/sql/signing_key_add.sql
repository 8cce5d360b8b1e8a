-- shape: one
-- tx: write
select signing_key_add(:flow.kid::text, 'ES256', :flow.private_sealed::bytea, :flow.public_jwk::json) as added
