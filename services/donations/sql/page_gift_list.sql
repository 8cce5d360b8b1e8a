-- shape: page
-- tx: read
-- The public gifts that came through a page, the last first. An empty page asks whether there is such a page.
select case when p.rows = 0 and g.id is null then 'not-found' end as "!problem",
       array_to_string(p.items[1:(:page.limit::bigint - 1)::int], ',') as "!items",
       case when p.rows = :page.limit::bigint then 't' end as "!more",
       p.seqs[(:page.limit::bigint - 1)::int] as "page.seq", concat('campaign:', g.campaign_id) as "!tags"
from (select array_agg(item) as items, count(*) as rows, array_agg(seq) as seqs
      from page_gifts(:path.code::text, :page.seq::bigint, :page.limit::bigint)) p
left join page g on g.code = :path.code::text and g.opened_at is not null
