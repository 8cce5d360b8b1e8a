-- shape: list
-- tx: write
-- Gives the next positions to committed events, in the order they were written. A stream that is ahead of us (a restored database)
-- takes only positions behind its end.
with fresh as (
    select seq, row_number() over (order by seq) as nth
    from (select seq from outbox where position is null order by seq limit 1000) o
), moved as (
    update relay_state set position = greatest(position, :relay.after::bigint) + (select count(*) from fresh)
    where exists (select from fresh)
    returning position - (select count(*) from fresh) as before
)
update outbox set position = moved.before + fresh.nth
from fresh, moved
where outbox.seq = fresh.seq
returning outbox.position
