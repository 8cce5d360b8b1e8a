-- shape: one
-- tx: read
select id, username, display_name, language, organization, state, totp_state = 'CONFIRMED' as totp_enabled, version,
       (select coalesce(json_agg(json_build_object('id', g.id, 'role', g.role, 'organization', g.organization, 'granted_at', g.granted_at)
               order by g.granted_at, g.id), '[]')
        from staff_grant g where g.staff_id = staff.id and g.revoked_at is null) as grants,
       created_at, updated_at, version::text as "!etag"
from staff
where id = :path.id::uuid
