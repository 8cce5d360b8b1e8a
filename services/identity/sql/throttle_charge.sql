-- shape: one
-- tx: write
select o_wait_s as wait_s, o_all as charged_all
from throttle_charge(:flow.username::text, :flow.pair_bucket::text, :flow.user_bucket::text, :flow.network_bucket::text,
    :flow.pair_schedule::integer[], :flow.user_schedule::integer[], :flow.network_schedule::integer[])
