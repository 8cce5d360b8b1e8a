-- shape: page
-- tx: read
-- Gifts of the caller's unit and below (row-level security), newest first; days are those of promising.
select g.id, g.public_code, g.campaign_id, g.amount_fen, g.refunded_fen, g.channel, g.state, g.late, g.disclosure, g.shown_name, g.message,
       g.created_at, g.paid_at, g.id as "page.id"
from gift g
where (:query.public_code::text is null or g.public_code = :query.public_code::text)
  and (:query.campaign_id::uuid is null or g.campaign_id = :query.campaign_id::uuid)
  and (:query.fund::text is null or g.campaign_id in (select f.campaign_id from fund f where f.code = :query.fund::text))
  and (:query.state::text is null or g.state = :query.state::text)
  and (:query.channel::text is null or g.channel = :query.channel::text)
  and g.amount_fen between coalesce(:query.least_fen::bigint, 0) and coalesce(:query.most_fen::bigint, 9007199254740991)
  and g.id >= uuid7_floor(day_begins(coalesce(:query.from_date::date, '2015-01-01')))
  and g.id < uuid7_floor(day_begins(coalesce(:query.to_date::date, '2999-01-01') + 1))
  and g.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by g.id desc
limit :page.limit::bigint
