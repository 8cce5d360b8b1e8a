-- shape: one
-- tx: read
-- For the metrics: what the last summing-up found, how long ago that was, and whether it is time for the next.
select disagreements, extract(epoch from now() - as_of)::bigint as age_s, case when due_at <= now() then 1 else 0 end as due
from ledger_checked
