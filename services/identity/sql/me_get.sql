-- shape: one
-- tx: read
-- One of the three tables has the caller; row security hides everybody else. Sealed columns are opened by the flow; a name that job
-- pii_reseal has not come to yet still stands in clear.
select :identity.kind::text as kind, coalesce(c.id, s.id, p.id) as id, s.username, p.client_id,
       coalesce(c.display_name, s.display_name, p.name) as display_name, coalesce(c.language, s.language) as language,
       c.phone_masked, coalesce(s.organization, p.organization) as organization, s.totp_state = 'CONFIRMED' as totp_enabled,
       (select json_agg(json_build_object('role', g.role, 'organization', g.organization) order by g.organization, g.role)
        from staff_grant g where g.staff_id = s.id and g.revoked_at is null) as grants,
       to_char(coalesce(c.created_at, s.created_at, p.created_at) at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"') as created_at,
       coalesce(c.wrapped_key, p.wrapped_key)::text as wrapped_key, c.display_name_sealed::text as display_name_sealed,
       p.contact_sealed::text as contact_sealed
from (values (:identity.subject::uuid)) me (id)
left join citizen c on c.id = me.id
left join staff s on s.id = me.id
left join partner p on p.id = me.id
where coalesce(c.id, s.id, p.id) is not null
