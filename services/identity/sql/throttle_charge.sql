-- shape: one
-- tx: write
select throttle_charge(:flow.username::text, :flow.pair_bucket::text, :flow.user_bucket::text, :flow.network_bucket::text,
    :flow.pair_schedule::integer[], :flow.user_schedule::integer[], :flow.network_schedule::integer[]) as wait_s
