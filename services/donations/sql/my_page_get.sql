-- shape: one
-- tx: read
-- One of the caller's, with what came through it.
select p.id, p.code, p.campaign_id as "campaign.id", (select title from campaign where id = p.campaign_id) as "campaign.title", p.organizer, p.title, p.story, p.goal_fen, p.ends_on,
       p.failure_rule, p.state, p.created_at, p.updated_at, p.submitted_at, p.opened_at, p.closed_at, p.close_reason, p.refusal,
       x.received_fen, x.refunded_fen, x.received_fen - x.refunded_fen as raised_fen, x.gift_count, now() as as_of, log_size() as log_size
from page p cross join lateral page_figures(p.id) x
where p.id = :path.id::uuid and p.owner = :identity.subject::uuid
