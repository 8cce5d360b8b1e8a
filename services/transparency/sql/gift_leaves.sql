-- shape: list
-- tx: read
-- batch: 64
-- The leaves of a gift, those that they link to (a gift's have one link), and which checkpoint is the newest: its mark changes with its
-- witnesses too. All gifts of a batch at once, not one after the other: a third less time.
with signed as materialized (
    select c.size, concat_ws(' ', c.size, encode(c.root, 'hex'), (select count(*) from log_cosignature k where k.size = c.size)) as mark
    from log_checkpoint c order by c.size desc limit 1
), own as materialized (
    select ord, :path.public_code::text as code, l.*
    from input cross join lateral (
        select index, leaf, links from log_leaf where subject = :path.public_code::text order by index limit 256) l
), linked as (
    select distinct on (o.ord, l.index) o.ord, l.index, l.leaf
    from own o cross join lateral unnest(o.links[1:4]) k (link) join log_leaf l on l.event = k.link
    where l.subject <> o.code order by o.ord, l.index
)
select ord, s.size, s.mark, y.index, convert_from(y.leaf, 'UTF8') as leaf
from signed s cross join (select ord, index, leaf from own union all select ord, index, leaf from linked) y
order by ord, y.index
