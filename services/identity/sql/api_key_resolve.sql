-- shape: one
-- tx: read
-- A partner that is bound to certificates and has none at present has no access.
select subject, organization, scopes, client_id, key_id, expires_at, partner_certificates(subject) as certificates
from api_key_find(decode(:body.key_sha256::text, 'hex'))
where partner_certificates(subject) is distinct from ''
