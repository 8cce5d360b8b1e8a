-- shape: one
-- tx: write
select identity_prune() as rows
