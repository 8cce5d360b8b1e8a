-- shape: one
-- tx: write
-- Ends all sessions of the person at once (trigger). Doing it twice changes nothing.
with target as (
    select id, staff_outranks(id) as outranks from staff where id = :path.id::uuid and in_my_organization(organization)
), done as (
    update staff t set state = 'DISABLED', updated_by = :identity.subject::uuid
    from target where t.id = target.id
    returning t.id, t.username, t.display_name, t.organization, t.state, t.version, t.updated_at
)
select case when target.outranks then 'insufficient-scope' when done.id is null then 'not-found' end as "!problem",
       target.id, done.username, done.display_name, done.organization, done.state, done.version, done.updated_at, done.version::text as "!etag"
from target left join done on true
