-- shape: one
-- tx: write
-- flow_party.c has sealed name and phone, and made what the phone is found by.
select p.id, p.organization, p.kind, p.disclosure, p.alias, rfc3339(p.created_at) as created_at
from party_register(:new.id::uuid, :body.organization::text, :body.kind::text, coalesce(:body.disclosure::text, 'NONE'), :body.alias::text, :flow.name::bytea,
    :flow.phone::bytea, :flow.phone_index::text, :pii.key_id::uuid, :pii.wrapped_key::bytea) p
