-- shape: one
-- tx: write
select to_char(citizen_phone_bind(:identity.subject::uuid, :flow.wrapped_key::bytea, :flow.phone_sealed::bytea,
    :flow.phone_index::text, :flow.phone_masked::text) at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"') as phone_bound_at
