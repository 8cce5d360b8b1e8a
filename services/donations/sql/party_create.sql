-- shape: one
-- tx: write
-- flow_party.c has sealed name and phone, and made what the phone is found by. Who is there already is not registered again, unless the phone
-- is another person's too.
with known as materialized (
    select party_known(:body.organization::text, :flow.phone_index::text) as id
), made as (
    select p.* from known cross join lateral party_register(:new.id::uuid, :body.organization::text, :body.kind::text, coalesce(:body.disclosure::text, 'NONE'), :body.alias::text,
        :flow.name::bytea, :flow.phone::bytea, :flow.phone_index::text, :pii.key_id::uuid, :pii.wrapped_key::bytea) p
    where known.id is null or :body.shared_phone::boolean
)
select case when p.id is null then 'party-known' end as "!problem", case when p.id is null then '/v1/parties/' || known.id end as "!detail",
       p.id, p.organization, p.kind, p.disclosure, p.alias, rfc3339(p.created_at) as created_at
from known left join made p on true
