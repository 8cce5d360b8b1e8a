-- shape: list
-- tx: write
-- Gives the next positions to committed events, in the order they were written. A stream that is ahead of us (a restored database)
-- takes only positions behind its end; `previous` is the position given before, whatever lies between. (That the rows have no position
-- and lie between the first and the last is known, but said: else all of the outbox is read for them.)
with fresh as materialized (
    select seq, row_number() over (order by seq) as nth
    from (select seq from outbox where position is null order by seq limit 1000) o
), bounds as materialized (
    select min(seq) as first, max(seq) as last, count(*) as n from fresh
), before as (
    select position, greatest(position, :relay.after::bigint) as base from relay_state
), moved as (
    update relay_state set position = before.base + bounds.n
    from before, bounds
    where bounds.n > 0
    returning before.base, before.position as previous
)
update outbox set position = moved.base + fresh.nth,
                  previous = case when fresh.nth = 1 then moved.previous else moved.base + fresh.nth - 1 end
from fresh, moved
where outbox.seq = fresh.seq and outbox.position is null
  and outbox.seq between (select first from bounds) and (select last from bounds)
returning outbox.position
