-- shape: one
-- tx: read
-- The newest checkpoint for a witness, and the tiles that prove that it continues the one of `old` leaves.
with signed as (
    select size, note, coalesce(:flow.old::bigint, (select max(size) from log_cosignature where witness = :flow.witness::text), 0) as old
    from log_checkpoint order by size desc limit 1
), tiles as (
    select distinct l as level, i.index >> (8 * l + 8) as tile
    from signed s, generate_series(0, 7) l, lateral (values (s.old), (s.old - 1), (s.size), (s.size - 1)) i(index)
    where s.old between 1 and s.size and i.index >= 0 and s.size >> (8 * l) > (i.index >> (8 * l + 8)) * 256
)
select s.size, s.old, s.note,
       (select coalesce(json_agg(json_build_object('level', t.level, 'tile', t.tile, 'hashes', encode(log_tile(t.level, t.tile, s.size), 'hex'))), '[]') from tiles t) as tiles
from signed s
where s.size > 0
