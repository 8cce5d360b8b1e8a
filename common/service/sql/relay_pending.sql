-- shape: list
-- tx: read
-- Positioned events after a position, to be published.
select position, id, type, subject, payload::text as payload, occurred_at
from outbox
where position > :relay.after::bigint
order by position
limit 500
