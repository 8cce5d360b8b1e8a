-- shape: one
-- tx: write
-- The orders of plans that are due, for the job.
select plan_orders_make() as made
