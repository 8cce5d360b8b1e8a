-- shape: page
-- tx: read
-- The entries of one account, newest first: a fund's for its unit, others for the topmost one.
select e.id, e.kind, e.occurred_at, e.recorded_at, e.reason, e.reverses, (select r.id from entry r where r.reverses = e.id) as reversed_by, p.fen,
       e.reverses is null and exists (select from correction_kind k where k.kind = e.kind) as correctable, p.seq as "page.seq"
from posting p join entry e on e.id = p.entry_id
where p.account = :query.account::text and p.seq < coalesce(:page.seq::bigint, 9223372036854775807)
  and case when p.account like 'fund:%' then exists (select from fund f where 'fund:' || f.code = p.account and in_my_organization(f.organization)) else is_topmost() end
order by p.seq desc
limit :page.limit::bigint
