-- shape: list
-- tx: read
select id, organization, scopes, key_id, secret_sha256, partner_certificates(id) is not null as bound, partner_certificates(id) as certificates
from partner_find(:flow.client_id::text)
