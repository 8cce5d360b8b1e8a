-- shape: one
-- tx: write
select throttle_charge(:flow.bucket::text, :flow.schedule::integer[]) as wait_s
