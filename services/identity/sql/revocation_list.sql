-- shape: raw
-- tx: read
select json_build_object(
           'items', coalesce(json_agg(json_build_object('seq', seq, 'session', session, 'revoked_at', revoked_at, 'expires_at', expires_at) order by seq), '[]'),
           'next_after', coalesce(max(seq), :query.after::bigint, 0))
from (select * from revocation where seq > coalesce(:query.after::bigint, 0) and expires_at > now() order by seq limit 1000) r
