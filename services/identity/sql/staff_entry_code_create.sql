-- shape: one
-- tx: write
-- The code itself is shown once, by the flow.
with target as (
    select id, staff_outranks(id) as outranks from staff where id = :path.id::uuid and in_my_organization(organization)
), made as (
    select entry_code_add(id, decode(:flow.secret_sha256::text, 'hex'), :identity.subject::uuid) as expires_at from target
)
select case when target.id is null then 'not-found' when target.outranks then 'insufficient-scope' end as "!problem",
       to_char(made.expires_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"') as expires_at
from (select) one left join target on true left join made on true
