-- shape: one
-- tx: read
select case when p.id is null then 'not-found' end as "!problem",
       (select coalesce(json_agg(json_strip_nulls(json_build_object('id', k.id, 'keyid', k.keyid, 'alg', k.alg, 'public_key', k.public_key,
               'label', k.label, 'not_before', k.not_before, 'not_after', k.not_after, 'created_at', k.created_at, 'revoked_at', k.revoked_at))
               order by k.created_at desc, k.id), '[]')
        from partner_signing_key k where k.partner_id = p.id) as items
from (select) one left join partner p on p.id = :path.id::uuid
