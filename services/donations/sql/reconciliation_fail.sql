-- shape: one
-- tx: write
select reconciliation_fail(:flow.run_id::uuid, :flow.state::text, :flow.error::text) as state
