-- shape: one
-- tx: read
-- For the gauge: what should have been published by yesterday and was not.
select count(*) as overdue from obligations((now() at time zone 'Asia/Shanghai')::date) where state = 'OVERDUE'
