-- shape: one
-- tx: read
-- Read by flow_party.c, which opens name and phone and masks them.
select p.id, p.organization, p.kind, p.disclosure, p.alias, p.merged_into, rfc3339(p.created_at) as created_at, rfc3339(p.erased_at) as erased_at, p.name, p.phone, p.version,
       party_key(p.id) as wrapped_key, to_json((coalesce(party_subjects(p.id), '{}'))[1:1000]) as subjects, party_consents(p.id) as consents,
       to_json((coalesce(party_letters(p.id), '{}'))[1:1000]) as letters
from party p
where p.id = :path.id::uuid
