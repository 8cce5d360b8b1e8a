-- shape: one
-- tx: read
-- What is open, for the metrics.
select differences_open, days_due from reconciliation_matters()
