-- shape: one
-- tx: read
-- A page and what came through it, all of one moment.
select p.code, p.campaign_id as "campaign.id", c.title as "campaign.title", p.organizer, p.title, p.story, p.goal_fen, p.ends_on, p.failure_rule, p.state, p.opened_at, p.closed_at,
       x.received_fen, x.refunded_fen, x.received_fen - x.refunded_fen as raised_fen, x.gift_count, now() as as_of, log_size() as log_size, concat('campaign:', p.campaign_id) as "!tags"
from page p join campaign c on c.id = p.campaign_id cross join lateral page_figures(p.id) x
where p.code = :path.code::text and p.opened_at is not null
