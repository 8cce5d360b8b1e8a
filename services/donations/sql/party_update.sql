-- shape: one
-- tx: write
-- flow_party.c has sealed the record anew.
select case when p.id is null then 'precondition-failed' end as "!problem", p.id
from party_change(:path.id::uuid, split_part(:header.if_match::text, '.', 1), :flow.version::integer, :flow.disclosure::text, :flow.alias::text, :flow.name::bytea,
    :flow.phone::bytea, :flow.phone_index::text, :pii.key_id::uuid, :pii.wrapped_key::bytea) p
