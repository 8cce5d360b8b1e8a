-- shape: one
-- tx: read
select coalesce(max(position), 0) as position from consumer_state where stream = :relay.stream::text
