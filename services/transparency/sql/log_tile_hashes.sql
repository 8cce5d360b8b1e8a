-- shape: one
-- tx: read
-- A tile of hashes, if the signed log has it in this width.
select encode(t.bytes, 'hex') as bytes
from (select log_tile(:flow.level::int, :flow.tile::bigint, case when :flow.level::int = 0 then :flow.tile::bigint * 256 + :flow.width::bigint
                      else (:flow.tile::bigint * 256 + :flow.width::bigint) << (8 * :flow.level::int) end) as bytes) t
where octet_length(t.bytes) = 32 * :flow.width::int
