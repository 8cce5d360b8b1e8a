-- shape: one
-- tx: write
-- Pages whose time is over, for the job.
select pages_close() as closed
