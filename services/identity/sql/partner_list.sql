-- shape: page
-- tx: read
select id, client_id, name, organization, state,
       (select coalesce(json_agg(s.scope order by s.scope), '[]') from partner_scope s where s.partner_id = partner.id) as scopes,
       created_at, id as "page.id"
from partner
where in_my_organization(organization) and id < coalesce(:page.id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by id desc
limit :page.limit
