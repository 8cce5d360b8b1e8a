-- shape: page
-- tx: read
select c.id, c.organization, c.title, c.state, c.starts_on, c.ends_on, c.filing_no, c.emergency_late, c.version, c.created_at, c.updated_at,
       case when c.state = 'OPEN' and c.filing_no is null then c.starts_on + 10 end as filing_due_on,
       c.created_at as "page.at", c.id as "page.id"
from campaign c
where in_my_organization(c.organization) and c.fund_code is null
  and (:query.state::text is null or c.state = :query.state::text)
  and (c.created_at, c.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by c.created_at desc, c.id desc
limit :page.limit::bigint
