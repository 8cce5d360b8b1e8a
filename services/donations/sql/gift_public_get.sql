-- shape: one
-- tx: read
-- batch: 64
-- One gift, by anyone who has its code. Its tag is made of all that can change.
select ord, g.public_code, g.campaign_id as "campaign.id", g.campaign_title as "campaign.title", g.fund_code, g.earmark, g.amount_fen, nullif(g.refunded_fen, 0) as refunded_fen,
       coalesce(g.shown_name, '爱心人士') as donor_name, g.message, g.channel, g.paid_at,
       case when g.refunded_fen = 0 then 'PAID' when g.refunded_fen < g.amount_fen then 'PARTIALLY_REFUNDED' else 'REFUNDED' end as state,
       nullif(g.spent_fen, 0) as spent_fen, nullif(g.allocated_fen, 0) as allocated_fen, u.uses, u.moves,
       to_hex(hashtextextended(concat(g.campaign_title, g.fund_code, g.earmark, g.shown_name, g.message, u.uses, u.moves), 0))
           || '.' || g.refunded_fen || '.' || g.spent_fen || '.' || g.allocated_fen as "!etag"
from input
join gift_public g on g.public_code = :path.public_code::text
cross join lateral (select case when g.spent_fen > 0 then gift_uses(g.public_code) end as uses,
                           case when g.moved then gift_moves(g.public_code) end as moves offset 0) u
