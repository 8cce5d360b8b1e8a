-- shape: page
-- tx: read
-- Funds of the unit and below other than appeals, by code; state PROPOSED is the queue of those who open.
select f.id, f.code, f.kind, f.source, f.name, f.organization, f.state, f.purpose, f.founder, f.founder_party as founder_id, f.minimum_fen, f.starts_on, f.ends_on,
       f.delegated_fen, f.bank_holder, f.bank_name, f.bank_account, f.proposed_by, f.proposed_at, f.opened_by, f.opened_at, f.ended_by, f.ended_at, f.reason,
       fund_instalments(f) as instalments, fund_earmarks(f.id) as earmarks, f.code as "page.code"
from fund f
where f.kind <> 'APPEAL' and in_my_organization(f.organization)
  and (:query.state::text is null or f.state = :query.state::text)
  and f.code > coalesce(:page.code::text, '')
order by f.code
limit :page.limit::bigint
