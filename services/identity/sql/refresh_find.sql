-- shape: list
-- tx: read
select session, kind, subject, client, wanted, usable, organization, scopes from refresh_find(decode(:flow.presented_sha256::text, 'hex'))
