-- shape: page
-- tx: read
-- Of the unit and below, newest first.
select g.id, g.public_code, g.organization, g.campaign_id, g.donor_kind, g.donor_name, g.wish, g.beneficiary, g.deliver_on, g.state, g.offered_at, g.registered_by, g.accepted_by, g.accepted_at,
       g.counted_by, g.counted_at, g.received_by, g.received_at, g.value_fen, g.unpriced_lines, g.reason, g.ended_at,
       g.offered_at as "page.at", g.id as "page.id"
from inkind_gift g
where in_my_organization(g.organization) and (:query.state::text is null or g.state = :query.state::text)
  and (g.offered_at, g.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by g.offered_at desc, g.id desc
limit :page.limit::bigint
