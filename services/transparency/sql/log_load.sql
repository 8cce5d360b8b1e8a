-- shape: one
-- tx: read
-- What the next append needs, at one moment: the last checkpoint, the hashes of the partial tile of each level, the leaves that wait.
select s.size, c.note,
       (select coalesce(json_agg(json_build_object('level', l, 'hashes', encode(log_tile(l, s.size >> (8 * l + 8), s.size), 'hex')) order by l), '[]')
        from generate_series(0, 7) l where (s.size >> (8 * l)) & 255 > 0) as tiles,
       (select coalesce(json_agg(json_build_object('seq', p.seq, 'hash', encode(sha256('\x00'::bytea || p.leaf), 'hex')) order by p.seq), '[]')
        from (select seq, leaf from log_pending order by seq limit 2048) p) as pending
from log_state s left join log_checkpoint c on c.size = s.size
