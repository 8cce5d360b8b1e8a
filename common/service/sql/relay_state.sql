-- shape: one
-- tx: read
-- How old the oldest event is that is not in the stream yet; 0 when none waits. The first of either kind is the oldest of its kind.
select position, published,
       coalesce(extract(epoch from now() - least(
           (select occurred_at from outbox where position is null order by seq limit 1),
           (select occurred_at from outbox where outbox.position > s.published order by outbox.position limit 1))), 0)::bigint as oldest_s
from relay_state s
