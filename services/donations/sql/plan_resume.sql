-- shape: one
-- tx: write
-- Goes on with the first due date from today on.
select p.id, p.campaign_id as "campaign.id", (select title from campaign where id = p.campaign_id) as "campaign.title", p.amount_fen, p.unit, p.every, p.cycle_day, p.installments,
       p.start_on, p.end_on, p.disclosure, p.shown_name, p.state, p.reason, p.next_charge_on, p.failure_count, p.retry_on, p.open_gift as open_gift_id, p.paid_count,
       p.created_at, p.updated_at, p.ended_at,
       p.version::text as "!etag"
from plan_resume(:path.id::uuid) p
