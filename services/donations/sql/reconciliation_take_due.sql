-- shape: list
-- tx: write
-- Runs that are due, for the job; days that have none get theirs.
select id, day, attempts from reconciliation_take_due(4)
