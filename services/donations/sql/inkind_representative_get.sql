-- shape: one
-- tx: read
-- Read by flow_inkind.c, which opens the name.
select c.representative as sealed, inkind_representative_key(c.gift_id) as wrapped_key, c.counted_on
from inkind_count c
where c.gift_id = :path.id::uuid
