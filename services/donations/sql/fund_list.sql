-- shape: page
-- tx: read
-- Funds; a draft campaign's is nobody's business yet.
select f.code, f.kind, f.source, f.name, f.organization, f.campaign_id, f.code as "page.code"
from fund f
where f.code > coalesce(:page.code::text, '')
  and (:query.kind::text is null or f.kind = :query.kind::text)
  and (f.campaign_id is null or campaign_is_public(f.campaign_id))
order by f.code
limit :page.limit::bigint
