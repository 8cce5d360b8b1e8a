-- shape: one
-- tx: read
-- Whether any event is not in the stream yet: all that a round asks while nothing happens. It asks for the first one, since whether there
-- is any would be looked for from the front of the whole outbox while statistics say that most have no position.
select (position > :relay.after::bigint or (select seq from outbox where outbox.position is null order by seq limit 1) is not null)::int as due
from relay_state
