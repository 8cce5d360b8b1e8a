-- shape: list
-- tx: read
-- batch: 16
-- Tiles [level, tile] as wide as a log of this size has them.
select ord, t.level, t.tile, encode(log_tile(t.level, t.tile, :flow.size::bigint), 'hex') as hashes
from input
cross join lateral (select (v ->> 0)::int as level, (v ->> 1)::bigint as tile from json_array_elements(:flow.tiles::json) v) t
order by ord
