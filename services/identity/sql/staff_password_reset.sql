-- shape: one
-- tx: write
-- Ends all sessions of the person (trigger). One's own password is changed with the old one at hand, never reset.
with target as (
    select id, staff_outranks(id) as outranks from staff where id = :path.id::uuid and in_my_organization(organization)
), done as (
    update staff t set password_sealed = :flow.password_sealed::bytea, updated_by = :identity.subject::uuid
    from target where t.id = target.id and t.id <> :identity.subject::uuid
    returning t.id
)
select case when target.id is null then 'not-found' when target.id = :identity.subject::uuid then 'staff-password-reset-self'
            when target.outranks then 'insufficient-scope' when done.id is null then 'not-found' end as "!problem", done.id
from (select) one left join target on true left join done on true
