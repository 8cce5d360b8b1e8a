-- shape: one
-- tx: write
with target as (
    select id from partner where id = :path.id::uuid and in_my_organization(organization)
), made as (
    insert into partner_certificate (id, partner_id, sha256, label, created_by)
    select :new.id::uuid, id, decode(replace(:body.fingerprint_sha256::text, ':', ''), 'hex'), :body.label::text, :identity.subject::uuid
    from target
    returning id, sha256, label, created_at
)
select case when target.id is null then 'not-found' end as "!problem",
       made.id, thumbprint(made.sha256) as thumbprint, made.label, made.created_at,
       '/v1/partners/' || target.id || '/certificates/' || made.id as "!location"
from (select) one left join target on true left join made on true
