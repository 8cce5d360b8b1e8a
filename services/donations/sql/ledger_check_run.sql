-- shape: one
-- tx: write
-- Sums everything anew, if that is due; no row otherwise.
select disagreements, as_of from ledger_check_run()
