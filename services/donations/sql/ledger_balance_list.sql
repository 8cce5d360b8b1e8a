-- shape: page
-- tx: read
-- Every account with what its postings sum to.
select name as account, account_balance(name) as fen, now() as as_of, log_size() as log_size, name as "page.name"
from account
where name > coalesce(:page.name::text, '')
order by name
limit :page.limit::bigint
