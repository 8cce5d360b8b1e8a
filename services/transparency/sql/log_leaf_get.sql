-- shape: one
-- tx: read
select index, convert_from(leaf, 'UTF8') as leaf, encode(hash, 'hex') as hash, logged_at
from log_leaf where index = :path.index::bigint
