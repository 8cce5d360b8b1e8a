-- shape: page
-- tx: read
-- What had to be published by a day (today unless another is asked for), the earliest first.
select o.key, o.rule, r.text_zh as "text.zh", r.text_en as "text.en", r.article, o.organization, o.campaign_id, o.title, o.due_on, o.met_on, o.state,
       o.met_on > o.due_on as late, o.due_on as "page.due", o.key as "page.key"
from obligations(coalesce(:query.on::date, (now() at time zone 'Asia/Shanghai')::date)) o
     join disclosure_rule r on r.code = o.rule and o.due_on between r.effective_from and coalesce(r.effective_to, 'infinity')
where (:query.state::text is null or o.state = :query.state::text)
  and (:query.campaign_id::uuid is null or o.campaign_id = :query.campaign_id::uuid)
  and (:query.organization::text is null or o.organization = :query.organization::text or starts_with(o.organization, :query.organization::text || '/'))
  and (o.due_on, o.key) > (coalesce(:page.due::date, '-infinity'), coalesce(:page.key::text, ''))
order by o.due_on, o.key
limit :page.limit::bigint
