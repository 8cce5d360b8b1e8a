-- shape: one
-- tx: read
-- A partner that is bound to certificates and has none at present has no access.
select subject, organization, scopes, client_id, key_id, alg, public_key, expires_at, partner_certificates(subject) as certificates
from partner_signing_key_find(:body.keyid::text)
where partner_certificates(subject) is distinct from ''
