-- shape: list
-- tx: write
-- Gives the next positions to committed events, in the order they were written. A stream that is ahead of us (a restored database)
-- takes only positions behind its end; `previous` is the position given before, whatever lies between. What is new goes through an
-- array, so that each row is found by its key: no statistics of the outbox tell how many of its rows are new right now.
with fresh as materialized (
    select array_agg(seq order by seq) as seqs, count(*) as n
    from (select seq from outbox where position is null order by seq limit 1000) o
), before as (
    select position, greatest(position, :relay.after::bigint) as base from relay_state
), moved as (
    update relay_state set position = before.base + fresh.n
    from before, fresh
    where fresh.n > 0
    returning before.base, before.position as previous
)
update outbox set position = moved.base + f.nth,
                  previous = case when f.nth = 1 then moved.previous else moved.base + f.nth - 1 end
from moved, unnest((select seqs from fresh)) with ordinality as f (seq, nth)
where outbox.seq = f.seq
returning outbox.position
