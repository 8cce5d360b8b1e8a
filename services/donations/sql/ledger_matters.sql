-- shape: one
-- tx: write
-- For the metrics: what the last summing-up found, how long ago that was, and whether the next one is ours to do now.
select disagreements, extract(epoch from now() - as_of)::bigint as age_s, ledger_check_claim()::int as due
from ledger_checked
