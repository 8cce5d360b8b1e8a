-- shape: one
-- tx: read
select subject, organization, scopes, client_id, key_id, expires_at from api_key_find(decode(:body.key_sha256::text, 'hex'))
