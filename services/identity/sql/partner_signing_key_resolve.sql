-- shape: one
-- tx: read
select subject, organization, scopes, client_id, key_id, alg, public_key, expires_at from partner_signing_key_find(:body.keyid::text)
