-- shape: one
-- tx: write
-- The next events of a stream with their effects (triggers on inbox), or none of them.
select reached, gap, taken from inbox_take(:relay.stream::text, :relay.entries::json)
