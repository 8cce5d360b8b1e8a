-- shape: none
-- tx: write
-- Published events stay for seven days, so that a lost stream can be filled again.
delete from outbox
where seq in (select o.seq from outbox o, relay_state s
              where o.position <= s.published and o.occurred_at < now() - interval '7 days' order by o.seq limit 5000)
