-- shape: one
-- tx: write
-- A citizen who is not there closed his account a moment ago. Members that are absent or null stay. The name of a citizen comes sealed, that of staff as it is.
select case when not done and :identity.kind::text = 'citizen' then 'unauthenticated' when not done then 'not-found' end as "!problem", done
from me_update(:identity.kind::text, :identity.subject::uuid, :flow.staff_name::text, :flow.wrapped_key::bytea, :flow.display_name_sealed::bytea,
         :body.language::text) done
