-- shape: list
-- tx: read
-- Positioned events after a position, to be published.
select position, id, type, subject, payload::text as payload, occurred_at, coalesce(previous, position - 1) as previous,
       encode(leaf, 'hex') as leaf
from outbox
where position > :relay.after::bigint
order by position
limit 500
