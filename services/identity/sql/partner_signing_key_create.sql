-- shape: one
-- tx: write
-- The flow has read the key: flow.alg and flow.public_key.
with target as (
    select id from partner where id = :path.id::uuid and in_my_organization(organization)
), made as (
    insert into partner_signing_key (id, partner_id, keyid, alg, public_key, label, not_before, not_after, created_by)
    select :new.id::uuid, id, coalesce(:body.keyid::text, :new.id::text), :flow.alg::text, :flow.public_key::text, :body.label::text,
           coalesce(:body.not_before::timestamptz, now()),
           coalesce(:body.not_after::timestamptz, coalesce(:body.not_before::timestamptz, now()) + interval '365 days'), :identity.subject::uuid
    from target
    returning id, keyid, alg, label, not_before, not_after
)
select case when target.id is null then 'not-found' end as "!problem",
       made.id, made.keyid, made.alg, made.label,
       to_char(made.not_before at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"') as not_before,
       to_char(made.not_after at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"') as not_after
from (select) one left join target on true left join made on true
