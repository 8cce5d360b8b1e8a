-- shape: page
-- tx: read
-- The caller's own, newest first.
select p.id, p.code, p.campaign_id as "campaign.id", (select title from campaign where id = p.campaign_id) as "campaign.title", p.organizer, p.title, p.story, p.goal_fen, p.ends_on,
       p.failure_rule, p.state, p.created_at, p.updated_at, p.submitted_at, p.opened_at, p.closed_at, p.close_reason, p.refusal,
       p.id as "page.id"
from page p
where p.owner = :identity.subject::uuid and p.id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by p.id desc
limit :page.limit::bigint
