-- shape: none
-- tx: read
-- Tells row-level security who asks, for this transaction.
select set_config('yg.kind', coalesce(:identity.kind::text, ''), true),
       set_config('yg.subject', coalesce(:identity.subject::text, ''), true),
       set_config('yg.organization', coalesce(:identity.organization::text, ''), true)
