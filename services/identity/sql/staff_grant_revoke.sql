-- shape: none
-- tx: write
-- Ends the person's sessions (trigger): the next login has what is left.
with done as (
    update staff_grant set revoked_at = now(), revoked_by = :identity.subject::uuid
    where id = :path.grant_id::uuid and staff_id = :path.id::uuid and revoked_at is null and in_my_organization(organization)
    returning id
)
select case when done.id is null then 'not-found' end as "!problem" from (select) one left join done on true
