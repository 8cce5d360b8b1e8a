-- shape: page
-- tx: read
-- Newest first; row-level security: the topmost unit's.
select r.id, r.day as date, r.requested_by, r.requested_at, r.state, r.attempts, r.next_try_at, r.last_error, r.finished_at, r.trade_sha1, r.fund_sha1,
       r.payments, r.refunds, r.paid_fen, r.refunded_fen, r.fee_milli_fen,
       r.receipts, r.red_letters, r.receipts_fen, r.red_fen, r.receipts_error, r.found, r.settled,
       r.requested_at as "page.at", r.id as "page.id"
from reconciliation_run r
where (:query.state::text is null or r.state = :query.state::text) and (:query.date::date is null or r.day = :query.date::date)
  and (r.requested_at, r.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by r.requested_at desc, r.id desc
limit :page.limit::bigint
