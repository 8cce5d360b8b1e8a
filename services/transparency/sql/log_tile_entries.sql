-- shape: one
-- tx: read
-- A bundle of entries: each behind its length in two bytes.
select encode(string_agg(decode(lpad(to_hex(octet_length(leaf)), 4, '0'), 'hex') || leaf, null order by index), 'hex') as bytes
from log_leaf
where index >= :flow.tile::bigint * 256 and index < :flow.tile::bigint * 256 + :flow.width::bigint
having count(*) = :flow.width::bigint
