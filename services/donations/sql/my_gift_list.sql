-- shape: page
-- tx: read
-- The caller's own gifts, newest first; row-level security says which.
select g.id, g.public_code, g.campaign_id as "campaign.id", c.title as "campaign.title", g.amount_fen, nullif(g.refunded_fen, 0) as refunded_fen,
       g.channel, g.state, g.disclosure, g.shown_name, g.message, g.created_at, g.paid_at,
       g.id as "page.id"
from gift g left join campaign c on c.id = g.campaign_id
where g.donor = :identity.subject::uuid
  and g.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by g.id desc
limit :page.limit::bigint
