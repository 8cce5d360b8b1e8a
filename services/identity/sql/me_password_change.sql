-- shape: one
-- tx: write
select staff_password_change(:identity.subject::uuid, :flow.password_was::bytea, :flow.password_sealed::bytea, :flow.bucket::text) as changed
