-- shape: list
-- tx: read
-- batch: 64
-- The leaves of a gift, those that they link to, and which checkpoint is the newest: its mark changes with its witnesses too.
with signed as materialized (
    select c.size, concat_ws(' ', c.size, encode(c.root, 'hex'), (select count(*) from log_cosignature k where k.size = c.size)) as mark
    from log_checkpoint c order by c.size desc limit 1
)
select ord, s.size, s.mark, y.index, convert_from(y.leaf, 'UTF8') as leaf
from input cross join signed s
cross join lateral (
    with own as (select l.index, l.leaf, l.links from log_leaf l where l.subject = :path.public_code::text order by l.index limit 256)
    select o.index, o.leaf from own o
    union all
    (select distinct on (l.index) l.index, l.leaf
     from own o cross join lateral unnest(o.links) k (link) join log_leaf l on l.event = k.link
     where l.subject <> :path.public_code::text order by l.index limit 256)
) y
order by ord, y.index
