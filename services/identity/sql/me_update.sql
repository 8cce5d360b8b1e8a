-- shape: one
-- tx: write
-- Members that are absent or null stay.
with done as materialized (
    select me_update(:identity.kind::text, :identity.subject::uuid, :body.display_name::text, :body.language::text) as found
)
select case when not found then 'not-found' end as "!problem",
       :identity.subject::uuid as id, :identity.kind::text as kind, :body.display_name::text as display_name, :body.language::text as language
from done
