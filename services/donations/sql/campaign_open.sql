-- shape: one
-- tx: write
-- From FILED; or from DRAFT when a major emergency does not wait for the filing (within ten days of the start).
with c as (
    select * from campaign where id = :path.id::uuid and in_my_organization(organization) for update
), done as (
    update campaign t
    set state = 'OPEN',
        updated_by = :identity.subject::uuid
    from c
    where t.id = c.id and (c.state = 'FILED' or (c.state = 'DRAFT' and c.emergency_late))
    returning t.*
)
select case when done.id is null then 'conflict-state' end as "!problem",
       case when done.id is null then c.state end as "!detail",
       c.id, done.title, done.state, done.version, done.filing_no, done.filed_on, done.opened_at, done.closed_at, done.reported_at,
       done.updated_at, done.version::text as "!etag"
from c left join done on true
