-- shape: one
-- tx: write
-- The caller's new plan.
select p.id, p.campaign_id as "campaign.id", (select title from campaign where id = p.campaign_id) as "campaign.title", p.amount_fen, p.unit, p.every, p.cycle_day, p.installments,
       p.start_on, p.end_on, p.disclosure, p.shown_name, p.state, p.reason, p.next_charge_on, p.failure_count, p.retry_on, p.open_gift as open_gift_id, p.paid_count,
       p.created_at, p.updated_at, p.ended_at,
       p.version::text as "!etag", '/v1/me/plans/' || p.id as "!location"
from plan_create(:new.id::uuid, :body.campaign_id::uuid, :body.amount_fen::bigint, :body.unit::text, :body.every::smallint, :body.cycle_day::smallint,
                 :body.installments::smallint, :body.start_on::date, :body.end_on::date, :body.alias::text) p
