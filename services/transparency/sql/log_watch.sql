-- shape: one
-- tx: read
-- For the gauges: how long a leaf waits for its signature.
select (select count(*) from log_pending) as waiting,
       (select coalesce(max(extract(epoch from now() - occurred_at) * 1000), 0)::bigint from log_pending) as waiting_ms,
       coalesce((select delay_ms from log_checkpoint order by size desc limit 1), 0) as delay_ms,
       (select count(*) from log_refused) as refused,
       (select size from log_state) as size
