-- shape: page
-- tx: read
-- batch: 32
-- The public gifts of a campaign, newest first; their items stand ready in the row. An empty page asks whether there is such a campaign.
-- Plain array_agg, whose elements are picked afterwards: a window function or filters cost half as much again as all the rest.
select ord, case when p.rows = 0 and not campaign_is_public(:path.id::uuid) then 'campaign-not-found' end as "!problem",
       array_to_string(p.items[1:(:page.limit::bigint - 1)::int], ',') as "!items",
       case when p.rows = :page.limit::bigint then 't' end as "!more",
       p.at[(:page.limit::bigint - 1)::int] as "page.at", p.code[(:page.limit::bigint - 1)::int] as "page.code"
from input
cross join lateral (
    select array_agg(item) as items, count(*) as rows, array_agg(paid_at) as at, array_agg(public_code) as code
    from (select item, paid_at, public_code
          from gift_public
          where campaign_id = :path.id::uuid
            and (paid_at, public_code) < (coalesce(:page.at::timestamptz, 'infinity'), coalesce(:page.code::text, ''))
          order by paid_at desc, public_code desc
          limit :page.limit::bigint) newest
) p
