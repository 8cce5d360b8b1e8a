-- shape: one
-- tx: read
select position, published,
       (select coalesce(extract(epoch from now() - min(occurred_at)), 0)::bigint from outbox where position is null) as oldest_s
from relay_state
