-- shape: one
-- tx: write
-- The secret itself is shown once, by the flow.
with target as (
    select id, client_id from partner where id = :path.id::uuid and in_my_organization(organization)
), made as (
    insert into partner_key (id, partner_id, kind, label, secret_sha256, created_by, expires_at)
    select :new.id::uuid, id, :body.kind::text, :body.label::text, decode(:flow.secret_sha256::text, 'hex'), :identity.subject::uuid,
           now() + make_interval(days => coalesce(:body.days::integer, 365))
    from target
    returning id, kind, label, expires_at
)
select case when target.id is null then 'not-found' end as "!problem",
       made.id, target.client_id, made.kind, made.label, to_char(made.expires_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"') as expires_at
from (select) one left join target on true left join made on true
