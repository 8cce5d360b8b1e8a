-- shape: one
-- tx: write
-- Members that are absent or null stay. The state can only be set back to ACTIVE here; ending is an operation of its own.
with target as (
    select id, staff_outranks(id) as outranks from staff where id = :path.id::uuid and in_my_organization(organization)
), done as (
    update staff t
    set display_name = coalesce(:body.display_name::text, t.display_name), organization = coalesce(:body.organization::text, t.organization),
        state = coalesce(:body.state::text, t.state), updated_by = :identity.subject::uuid
    from target
    where t.id = target.id and :header.if_match::text in (t.version::text, '*')
    returning t.id, t.username, t.display_name, t.organization, t.state, t.version, t.updated_at
)
select case when target.outranks then 'insufficient-scope' when done.id is null then 'precondition-failed' end as "!problem",
       target.id, done.username, done.display_name, done.organization, done.state, done.version, done.updated_at, done.version::text as "!etag"
from target left join done on true
