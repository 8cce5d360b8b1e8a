-- shape: one
-- tx: read
select d.on_day as "on", count(*) filter (where o.state = 'DUE') as due, count(*) filter (where o.state = 'MET') as met,
       count(*) filter (where o.met_on > o.due_on) as met_late, count(*) filter (where o.state = 'OVERDUE') as overdue
from (select coalesce(:query.on::date, (now() at time zone 'Asia/Shanghai')::date) as on_day) d left join lateral obligations(d.on_day) o on true
group by d.on_day
