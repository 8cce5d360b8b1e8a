-- shape: page
-- tx: read
-- Funds; a draft campaign's is nobody's business yet, nor is one that was only proposed.
select f.code, f.kind, f.source, f.name, f.organization, case when f.kind = 'APPEAL' then f.campaign_id end as campaign_id, f.state, f.purpose, f.founder,
       f.starts_on, f.ends_on, f.kind <> 'APPEAL' and exists (select from campaign_taking_gifts c where c.id = f.campaign_id) as takes_gifts, f.code as "page.code"
from fund f
where f.code > coalesce(:page.code::text, '')
  and f.state in ('OPEN', 'ENDED')
  and (:query.kind::text is null or f.kind = :query.kind::text)
  and (f.kind <> 'APPEAL' or campaign_is_public(f.campaign_id))
order by f.code
limit :page.limit::bigint
