-- shape: one
-- tx: read
-- Whether any event is not in the stream yet: all that a round asks while nothing happens.
select (exists (select from outbox where position is null) or position > :relay.after::bigint)::int as due from relay_state
