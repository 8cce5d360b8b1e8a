-- shape: page
-- tx: read
-- Funds that have paid what their donors were not told of; the longest waiting first. Due 90 days after the first such payment.
select f.code as fund, f.name, f.organization, f.campaign_id, d.uses, d.amount_fen, d.since, d.seen, (d.since at time zone 'Asia/Shanghai')::date + 90 as due_date,
       ((d.since at time zone 'Asia/Shanghai')::date + 90 < (now() at time zone 'Asia/Shanghai')::date) as overdue, d.since as "page.at", f.id as "page.id"
from (select x.fund_id, count(*) as uses, sum(x.amount_fen)::bigint as amount_fen, min(x.paid_at) as since,
             encode(sha256(convert_to(string_agg(x.number, ' ' order by x.number collate "C"), 'UTF8')), 'hex') as seen
      from disbursement x
      where x.state in ('PAID', 'ACKNOWLEDGED') and not exists (select from use_feedback_item i where i.disbursement_id = x.id)
      group by x.fund_id) d
join fund f on f.id = d.fund_id
where in_my_organization(f.organization) and (d.since, f.id) > (coalesce(:page.at::timestamptz, '-infinity'), coalesce(:page.id::uuid, '00000000-0000-0000-0000-000000000000'))
order by d.since, f.id
limit :page.limit::bigint
