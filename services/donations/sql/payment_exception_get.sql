-- shape: one
-- tx: read
select e.id, e.kind, e.out_trade_no, e.transaction_id, e.amount_fen, e.seen_at,
       payment_exception_organization(e.out_trade_no) as organization, case when r.exception_id is null then 'OPEN' else 'RESOLVED' end as state,
       r.reason as "resolution.reason", r.resolved_by as "resolution.resolved_by", r.resolved_at as "resolution.resolved_at"
from payment_exception e left join payment_exception_resolution r on r.exception_id = e.id
where e.id = :path.id::uuid
