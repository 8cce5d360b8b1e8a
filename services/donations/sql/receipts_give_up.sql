-- shape: one
-- tx: write
-- Receipts that failed and waited too long for a person, for the job.
select receipts_give_up() as closed
