-- shape: one
-- tx: read
select staff_password(:identity.subject::uuid)::text as password_sealed
