-- shape: list
-- tx: read
-- By phone: flow_party.c has made what it is found by. Names stay sealed here.
select p.id, p.organization, p.kind, p.disclosure, p.alias, p.merged_into
from party p
where p.phone_index = :flow.phone_index::text
order by p.created_at, p.id
limit 100
