-- shape: one
-- tx: read
select id, client_id, name, organization, contact_masked, state,
       (select coalesce(json_agg(s.scope order by s.scope), '[]') from partner_scope s where s.partner_id = partner.id) as scopes,
       (select coalesce(json_agg(json_strip_nulls(json_build_object('id', k.id, 'kind', k.kind, 'label', k.label, 'created_at', k.created_at,
               'expires_at', k.expires_at, 'revoked_at', k.revoked_at)) order by k.created_at desc, k.id), '[]')
        from partner_key k where k.partner_id = partner.id) as keys,
       (select coalesce(json_agg(json_strip_nulls(json_build_object('id', c.id, 'thumbprint', thumbprint(c.sha256), 'label', c.label,
               'created_at', c.created_at, 'revoked_at', c.revoked_at)) order by c.created_at desc, c.id), '[]')
        from partner_certificate c where c.partner_id = partner.id) as certificates,
       created_at
from partner
where id = :path.id::uuid
