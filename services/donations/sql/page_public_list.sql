-- shape: page
-- tx: read
-- Pages that are open or were, newest first.
select p.code, p.campaign_id as "campaign.id", c.title as "campaign.title", p.organizer, p.title, p.story, p.goal_fen, p.ends_on, p.failure_rule, p.state, p.opened_at, p.closed_at,
       x.received_fen, x.refunded_fen, x.received_fen - x.refunded_fen as raised_fen, x.gift_count, now() as as_of, log_size() as log_size, p.opened_at as "page.at", p.code as "page.code"
from page p join campaign c on c.id = p.campaign_id cross join lateral page_figures(p.id) x
where p.opened_at is not null and (:query.campaign_id::uuid is null or p.campaign_id = :query.campaign_id::uuid) and (:query.state::text is null or p.state = :query.state::text)
  and (p.opened_at, p.code) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.code::text, ''))
order by p.opened_at desc, p.code desc
limit :page.limit::bigint
