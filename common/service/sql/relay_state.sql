-- shape: one
-- tx: read
-- How old the oldest event is that is not in the stream yet; 0 when none waits.
select position, published,
       (select coalesce(extract(epoch from now() - min(occurred_at)), 0)::bigint from outbox
        where position is null or position > s.published) as oldest_s
from relay_state s
