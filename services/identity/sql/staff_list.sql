-- shape: page
-- tx: read
-- The newest first; ids are in order of time.
select id, username, display_name, organization, state, totp_state = 'CONFIRMED' as totp_enabled, created_at, id as "page.id"
from staff
where in_my_organization(organization)
  and (:query.organization::text is null or organization = :query.organization::text or starts_with(organization, :query.organization::text || '/'))
  and (:query.state::text is null or state = :query.state::text)
  and id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by id desc
limit :page.limit
