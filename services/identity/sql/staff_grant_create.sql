-- shape: one
-- tx: write
with target as (
    select id from staff where id = :path.id::uuid and in_my_organization(organization)
), made as (
    insert into staff_grant (id, staff_id, role, organization, granted_by)
    select :new.id::uuid, id, :body.role::text, coalesce(:body.organization::text, :identity.organization::text), :identity.subject::uuid from target
    returning id, staff_id, role, organization, granted_at
)
select id, staff_id, role, organization, granted_at, '/v1/staff/' || staff_id as "!location" from made
