-- shape: none
-- tx: write
with done as (
    update partner_signing_key set revoked_at = now(), revoked_by = :identity.subject::uuid
    where id = :path.key_id::uuid and partner_id = :path.id::uuid and revoked_at is null
    returning id
)
select case when done.id is null then 'not-found' end as "!problem" from (select) one left join done on true
