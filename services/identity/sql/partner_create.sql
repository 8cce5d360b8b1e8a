-- shape: one
-- tx: write
with made as (
    insert into partner (id, client_id, name, organization, contact, created_by)
    values (:new.id::uuid, coalesce(:body.client_id::text, 'p-' || right(:new.id::uuid::text, 12)), :body.name::text, coalesce(:body.organization::text, :identity.organization::text),
            :body.contact::text, :identity.subject::uuid)
    returning id, client_id, name, organization, contact, state, created_at
), scopes as (
    insert into partner_scope (partner_id, scope)
    select made.id, x.scope from made, (select distinct scope from json_array_elements_text(:body.scopes::json) v (scope)) x
    returning scope
)
select id, client_id, name, organization, contact, state, (select coalesce(json_agg(scope order by scope), '[]') from scopes) as scopes,
       created_at, '/v1/partners/' || id as "!location"
from made
