-- shape: list
-- tx: read
-- Live ones, the last used first.
select id, client, organization, device, network, created_at, last_used_at, expires_at, coalesce(id = :identity.session::uuid, false) as is_current
from session
where subject = :identity.subject::uuid and revoked_at is null and expires_at > now()
order by last_used_at desc, id
limit 200
