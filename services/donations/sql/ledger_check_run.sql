-- shape: one
-- tx: write
-- Sums everything anew; for who has claimed it (ledger_matters).
select disagreements, as_of from ledger_check_run()
