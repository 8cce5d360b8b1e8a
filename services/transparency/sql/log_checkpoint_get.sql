-- shape: raw
-- tx: read
-- The signed note, with the lines of the witnesses who have seen it.
select c.note || coalesce((select string_agg(k.line, '' order by k.witness) from log_cosignature k where k.size = c.size), '') as note
from log_checkpoint c order by c.size desc limit 1
