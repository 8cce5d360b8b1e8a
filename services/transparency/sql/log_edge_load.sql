-- shape: one
-- tx: read
-- batch: 64
-- A checkpoint with its witnesses and the partial tile of each level: once, however many ask in one turn.
with wanted as (
    select distinct :flow.size::bigint as size from input
), edge as materialized (
    select c.size, c.note || coalesce((select string_agg(k.line, '' order by k.witness) from log_cosignature k where k.size = c.size), '') as note,
           (select coalesce(json_agg(json_build_object('level', l, 'tile', c.size >> (8 * l + 8),
                'hashes', encode(log_tile(l, c.size >> (8 * l + 8), c.size), 'hex')) order by l), '[]')
            from generate_series(0, 7) l where (c.size >> (8 * l)) & 255 > 0) as tiles
    from wanted w join log_checkpoint c on c.size = w.size
)
select ord, e.note, e.tiles from input join edge e on e.size = :flow.size::bigint
