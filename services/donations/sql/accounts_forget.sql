-- shape: one
-- tx: write
-- Somebody who closed his account, for the job: in slices that a statement's five seconds are enough for.
select accounts_forget(2000) as accounts
