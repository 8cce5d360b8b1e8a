-- shape: one
-- tx: read
-- What is open, for the metrics.
select exceptions_open, refunds_failed, refunds_due, orders_due, receipts_failed, red_letters_failed, disbursements_unpayable() as unpayable from money_matters()
