-- shape: one
-- tx: read
select id, wrapped_key::text as wrapped_key from citizen where id = :identity.subject::uuid
