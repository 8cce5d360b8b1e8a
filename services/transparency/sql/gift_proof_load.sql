-- shape: one
-- tx: read
-- All that the receipts of a gift need: its leaves, those that they link to, the newest checkpoint, and each tile on their ways to the root.
with signed as (
    select c.size, c.note || coalesce((select string_agg(k.line, '' order by k.witness) from log_cosignature k where k.size = c.size), '') as note
    from log_checkpoint c order by c.size desc limit 1
), own as (
    select index, links from log_leaf where subject = :path.public_code::text order by index limit 256
), story as (
    select index from own
    union
    select l.index from (select distinct unnest(links) as event from own) o join log_leaf l on l.event = o.event
), tiles as (
    select distinct l as level, i.index >> (8 * l + 8) as tile
    from signed s, generate_series(0, 7) l, (select index from story union select size from signed) i
    where s.size >> (8 * l) > (i.index >> (8 * l + 8)) * 256
)
select s.size, s.note,
       (select json_agg(json_build_object('index', l.index, 'leaf', convert_from(l.leaf, 'UTF8')) order by l.index)
        from story y join log_leaf l on l.index = y.index) as leaves,
       (select json_agg(json_build_object('level', t.level, 'tile', t.tile, 'hashes', encode(log_tile(t.level, t.tile, s.size), 'hex'))) from tiles t) as tiles
from signed s
where exists (select from story)
