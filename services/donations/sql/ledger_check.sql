-- shape: one
-- tx: read
-- Everything at one moment, from one statement.
select d.n = 0 as ok, now() as as_of, log_size() as log_size, (select count(*) from account) as accounts, (select count(*) from entry) as entries,
       (select count(*) from posting) as postings, d.n as disagreements
from (select (select count(*) from ledger_disagreement) + (select count(*) from money_disagreement) + (select count(*) from period_disagreement)
             + (select count(*) from page_disagreement) + (select count(*) from share_disagreement) as n) d
