-- shape: page
-- tx: read
-- What was sealed, by account in byte order: the lines that the digest is over.
select b.account, b.fen, b.account as "page.account"
from period_balance b
where b.month = (:path.month::text || '-01')::date and b.account collate "C" > coalesce(:page.account::text, '') collate "C"
order by b.account collate "C"
limit :page.limit::bigint
