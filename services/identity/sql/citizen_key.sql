-- shape: one
-- tx: write
-- The person's one key; the new one becomes it when there is none.
select citizen_key::text as wrapped_key from citizen_key(:identity.subject::uuid, :flow.new_wrapped_key::bytea) where citizen_key is not null
