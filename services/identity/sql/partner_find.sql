-- shape: list
-- tx: read
select id, organization, scopes, key_id, secret_sha256 from partner_find(:flow.client_id::text)
