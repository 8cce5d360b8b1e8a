-- shape: one
-- tx: write
-- Published events stay for seven days, so that a lost stream can be filled again; and a leaf of the public log until the log has it,
-- as everything else that has a consumer. Only the oldest are looked at: `seq` is their order.
with gone as (
    delete from outbox
    where seq in (select o.seq from (select seq, position, occurred_at, leaf is not null as is_leaf from outbox order by seq limit 5000) o, relay_state s
                  where o.position <= s.published and o.occurred_at < now() - interval '7 days'
                    and case when s.confirmed is null then not o.is_leaf else o.position <= s.confirmed end)
    returning 1
)
select count(*) as pruned from gone
