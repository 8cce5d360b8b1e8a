-- shape: one
-- tx: write
-- What was taken stays for seven days, for people who look into something; its effect stands elsewhere.
with gone as (
    delete from inbox
    where (stream, position) in (select stream, position from inbox where received_at < now() - interval '7 days' order by received_at limit 5000)
    returning 1
)
select count(*) as pruned from gone
