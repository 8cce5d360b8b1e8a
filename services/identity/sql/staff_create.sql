-- shape: one
-- tx: write
-- Of the caller's unit unless one below it is named.
with made as (
    insert into staff (id, username, display_name, organization, password_sealed, created_by)
    values (:new.id::uuid, lower(:body.username::text), :body.display_name::text, coalesce(:body.organization::text, :identity.organization::text),
            :flow.password_sealed::bytea, :identity.subject::uuid)
    returning id, username, display_name, organization, state, version, created_at
)
select id, username, display_name, organization, state, version, to_char(created_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"') as created_at
from made
