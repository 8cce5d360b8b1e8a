-- shape: one
-- tx: write
-- Published events stay for seven days, so that a lost stream can be filled again; and a leaf of the public log until the log has it,
-- as everything else that has a consumer. Only the oldest are looked at: `seq` is their order. While nobody consumes, what stays is
-- chained to what stays before it: whoever begins later, begins at the first event that is left.
with gone as (
    delete from outbox
    where seq in (select o.seq from (select seq, position, occurred_at, leaf is not null as is_leaf from outbox order by seq limit 5000) o, relay_state s
                  where o.position <= s.published and o.occurred_at < now() - interval '7 days'
                    and case when s.confirmed is null then not o.is_leaf else o.position <= s.confirmed end)
    returning position
), chained as (
    update outbox o
    set previous = coalesce((select max(k.position) from outbox k where k.position < o.position and k.position not in (select position from gone)), 0)
    where o.previous in (select position from gone) and o.position not in (select position from gone)
      and (select confirmed is null from relay_state)
    returning 1
)
select count(*) as pruned from gone
