-- shape: list
-- tx: read
-- For other services: accounts that somebody names are looked up before they count.
select id, organization from staff_active(:query.ids::text)
