-- shape: page
-- tx: read
-- Newest first, corrections among the others.
select d.id, d.organization, d.obligation, d.corrects, d.explanation, d.title, d.summary, d.document_url, d.document_sha256, d.published_at, d.event as leaf_id,
       d.published_at as "page.at", d.id as "page.id"
from disclosure d
where (:query.organization::text is null or d.organization = :query.organization::text or starts_with(d.organization, :query.organization::text || '/'))
  and (d.published_at, d.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by d.published_at desc, d.id desc
limit :page.limit::bigint
