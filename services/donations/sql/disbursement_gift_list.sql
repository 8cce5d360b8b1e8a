-- shape: page
-- tx: read
-- The gifts that paid for it, in the order of the rule; what was given back is negative.
select u.public_code, u.amount_fen, u.used_at, u.seq as "page.seq"
from gift_use u join disbursement d on d.id = u.disbursement_id
where d.number = :path.number::text and u.seq > coalesce(:page.seq::bigint, 0)
order by u.seq
limit :page.limit::bigint
