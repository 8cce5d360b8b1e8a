-- shape: one
-- tx: write
select o_wait_s as wait_s, o_lane as lane
from login_charge(:flow.username::text, decode(:flow.device_sha256::text, 'hex'), :flow.proved::boolean, :flow.proof_bucket::text,
    :flow.pair_bucket::text, :flow.wide_bucket::text, :flow.user_bucket::text, :flow.network_bucket::text,
    :flow.pair_schedule::integer[], :flow.user_schedule::integer[], :flow.network_schedule::integer[])
