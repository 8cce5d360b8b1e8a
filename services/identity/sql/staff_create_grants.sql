-- shape: none
-- tx: write
-- In the transaction of staff_create. A grant without a unit holds at the caller's.
insert into staff_grant (id, staff_id, role, organization, granted_by)
select gen_random_uuid(), :new.id::uuid, g.role, g.organization, :identity.subject::uuid
from (select distinct x.role, coalesce(x.organization, :identity.organization::text) as organization
      from json_to_recordset(coalesce(:body.grants::json, '[]')) x (role text, organization text)) g
