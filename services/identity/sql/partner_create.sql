-- shape: one
-- tx: write
with wanted as (
    select array_agg(distinct scope order by scope) as scopes from json_array_elements_text(:body.scopes::json) v (scope)
)
select made.id, made.client_id, made.name, made.organization, made.contact, made.state, array_to_json(wanted.scopes) as scopes,
       made.created_at, '/v1/partners/' || made.id as "!location"
from wanted,
     partner_add(:new.id::uuid, coalesce(:body.client_id::text, 'p-' || right(:new.id::uuid::text, 12)), :body.name::text,
         coalesce(:body.organization::text, :identity.organization::text), :body.contact::text, wanted.scopes, :identity.subject::uuid) made
