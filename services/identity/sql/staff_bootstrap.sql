-- shape: one
-- tx: write
select staff_bootstrap(:new.id::uuid, gen_random_uuid(), :flow.username::text, :flow.password_sealed::bytea) as made
