-- shape: none
-- tx: write
-- For somebody who lost the device: an administrator does it, never oneself.
with target as (
    select id from staff where id = :path.id::uuid and in_my_organization(organization) for update
), done as (
    update staff t set totp_state = 'NONE', totp_sealed = null, updated_by = :identity.subject::uuid
    from target where t.id = target.id and t.id <> :identity.subject::uuid
    returning t.id
)
select case when target.id is null then 'not-found' when done.id is null then 'staff-totp-reset-self' end as "!problem"
from (select) one left join target on true left join done on true
