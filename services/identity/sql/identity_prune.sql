-- shape: one
-- tx: write
select identity_prune() + device_prune() as rows
