-- shape: none
-- tx: write
select refresh_revoke(decode(:flow.presented_sha256::text, 'hex'))
