-- shape: page
-- tx: read
-- Of the unit and below, newest first.
select w.id, w.gift_id, w.public_code, w.organization, w.kind, w.note, w.recorded_by, w.recorded_at, w.recorded_at as "page.at", w.id as "page.id"
from receipt_waiver w
where in_my_organization(w.organization)
  and (w.recorded_at, w.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by w.recorded_at desc, w.id desc
limit :page.limit::bigint
