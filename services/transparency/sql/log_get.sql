-- shape: one
-- tx: read
select c.size, encode(c.root, 'base64') as root, leaf_time(c.signed_at) as signed_at,
       (select coalesce(json_agg(distinct k.witness), '[]') from log_cosignature k where k.size = c.size) as witnesses,
       (select count(*) from log_pending) as waiting,
       greatest(c.delay_ms, (select coalesce(max(extract(epoch from now() - occurred_at) * 1000), 0)::bigint from log_pending)) as merge_delay_ms
from log_checkpoint c order by c.size desc limit 1
