-- shape: one
-- tx: write
select totals_fold() as folded
