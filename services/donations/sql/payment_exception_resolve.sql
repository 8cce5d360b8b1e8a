-- shape: one
-- tx: write
-- What was done about it, once and for all: the row never changes.
insert into payment_exception_resolution (exception_id, reason, resolved_by)
select e.id, :body.reason::text, :identity.subject::uuid from payment_exception e where e.id = :path.id::uuid
returning exception_id as id, 'RESOLVED' as state, reason, resolved_by, resolved_at, '/v1/payment-exceptions/' || exception_id as "!location"
