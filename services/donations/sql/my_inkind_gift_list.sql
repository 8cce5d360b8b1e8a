-- shape: page
-- tx: read
-- What the caller offered, newest first.
select g.id, g.public_code, g.organization, g.campaign_id, g.donor_kind, g.donor_name, g.wish, g.beneficiary, g.deliver_on, g.state, g.offered_at, g.accepted_at, g.counted_at, g.received_at,
       g.value_fen, g.unpriced_lines, g.reason, g.ended_at,
       g.offered_at as "page.at", g.id as "page.id"
from inkind_gift g
where g.donor = :identity.subject::uuid
  and (g.offered_at, g.id) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
order by g.offered_at desc, g.id desc
limit :page.limit::bigint
