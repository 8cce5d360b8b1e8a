-- shape: page
-- tx: read
-- Every word of the caller's, the last first.
select c.id, c.purpose, c.given, c.recorded_at, c.id as "page.id"
from donor_consent c
where c.subject = :identity.subject::uuid and c.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by c.id desc
limit :page.limit::bigint
