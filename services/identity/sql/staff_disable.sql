-- shape: one
-- tx: write
-- Ends all sessions of the person at once (trigger). Doing it twice changes nothing.
with done as (
    update staff set state = 'DISABLED', updated_by = :identity.subject::uuid
    where id = :path.id::uuid and in_my_organization(organization)
    returning id, username, display_name, organization, state, version, updated_at
)
select id, username, display_name, organization, state, version, updated_at, version::text as "!etag" from done
