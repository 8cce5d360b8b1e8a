-- shape: none
-- tx: write
-- In the transaction of staff_create.
insert into staff_grant (id, staff_id, role, organization, granted_by)
select gen_random_uuid(), :new.id::uuid, r.role, coalesce(:body.organization::text, :identity.organization::text), :identity.subject::uuid
from (select distinct role from json_array_elements_text(coalesce(:body.roles::json, '[]')) x (role)) r
