-- shape: one
-- tx: write
select citizen_phone_bind(:identity.subject::uuid, :flow.wrapped_key::bytea, :flow.phone_sealed::bytea, :flow.phone_index::text, :flow.phone_masked::text)
    as phone_bound_at
