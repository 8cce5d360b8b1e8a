-- shape: page
-- tx: read
-- Money that fits nothing, newest first; row-level security says whose.
select e.id, e.kind, e.out_trade_no, e.transaction_id, e.amount_fen, e.seen_at,
       payment_exception_organization(e.out_trade_no) as organization, case when r.exception_id is null then 'OPEN' else 'RESOLVED' end as state,
       r.reason as "resolution.reason", r.resolved_by as "resolution.resolved_by", r.resolved_at as "resolution.resolved_at",
       e.seen_at as "page.at", e.id as "page.id"
from payment_exception e left join payment_exception_resolution r on r.exception_id = e.id
where (:query.state::text is null or (r.exception_id is null) = (:query.state::text = 'OPEN'))
  and (:query.kind::text is null or e.kind = :query.kind::text)
  and (:query.out_trade_no::text is null or e.out_trade_no = :query.out_trade_no::text)
  and (e.seen_at, e.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by e.seen_at desc, e.id desc
limit :page.limit::bigint
