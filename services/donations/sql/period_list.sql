-- shape: page
-- tx: read
-- Newest first.
select to_char(p.month, 'YYYY-MM') as month, p.organization, p.state, p.proposed_at, p.closed_at, p.accounts, p.sha256, p.month as "page.month"
from period p
where p.month < coalesce(:page.month::date, 'infinity')
order by p.month desc
limit :page.limit::bigint
