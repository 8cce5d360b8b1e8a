-- shape: page
-- tx: read
-- Gifts of the campaigns of the caller's unit and below; row-level security says which.
select g.id, g.public_code, g.campaign_id, g.amount_fen, g.refunded_fen, g.channel, g.state, g.late, g.disclosure, g.shown_name, g.message,
       g.created_at, g.paid_at, g.id as "page.id"
from gift g
where (:query.campaign_id::uuid is null or g.campaign_id = :query.campaign_id::uuid)
  and (:query.state::text is null or g.state = :query.state::text)
  and (:query.late::boolean is null or g.late = :query.late::boolean)
  and g.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by g.id desc
limit :page.limit::bigint
