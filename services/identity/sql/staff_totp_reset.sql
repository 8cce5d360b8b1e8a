-- shape: none
-- tx: write
-- For somebody who lost the device: an administrator does it, never oneself.
with target as (
    select id, staff_outranks(id) as outranks from staff where id = :path.id::uuid and in_my_organization(organization)
), done as (
    update staff t set totp_state = 'NONE', totp_sealed = null, updated_by = :identity.subject::uuid
    from target where t.id = target.id and t.id <> :identity.subject::uuid
    returning t.id
)
select case when target.id is null then 'not-found' when target.id = :identity.subject::uuid then 'staff-totp-reset-self'
            when target.outranks then 'insufficient-scope' when done.id is null then 'not-found' end as "!problem"
from (select) one left join target on true left join done on true
