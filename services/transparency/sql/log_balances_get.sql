-- shape: one
-- tx: read
-- The fold of all postings of the signed log: written in the transaction of its checkpoint.
select c.signed_at as as_of, c.size as log_size,
       (select coalesce(json_agg(json_build_object('account', b.account, 'fen', b.fen) order by b.account), '[]') from log_balance b) as items
from log_checkpoint c order by c.size desc limit 1
