-- shape: list
-- tx: read
select r.name, r.title_zh, r.title_en,
       (select coalesce(json_agg(s.scope order by s.scope), '[]') from role_scope s where s.role = r.name) as scopes
from role r
where r.for_staff
order by r.name
