-- shape: one
-- tx: read
-- What the last summing-up found, and when.
select disagreements = 0 as ok, as_of, log_size, accounts, entries, postings, disagreements
from ledger_checked
