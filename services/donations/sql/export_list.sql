-- shape: page
-- tx: read
-- Who took what, newest first; row-level security: of the unit and below.
select x.id, x.kind, x.requested_by, x.requested_at, x.organization, x.filter, x.rows, x.sha256, x.format, x.requested_at as "page.at", x.id as "page.id"
from export_record x
where (:query.kind::text is null or x.kind = :query.kind::text)
  and (x.requested_at, x.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by x.requested_at desc, x.id desc
limit :page.limit::bigint
