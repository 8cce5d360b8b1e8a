-- shape: one
-- tx: write
-- The filing with the civil affairs department. A campaign that a major emergency opened unfiled stays OPEN.
with c as (
    select * from campaign where id = :path.id::uuid and in_my_organization(organization) for update
), done as (
    update campaign t
    set state = case c.state when 'DRAFT' then 'FILED' else c.state end, filing_no = :body.filing_no::text, filed_on = :body.filed_on::date,
        updated_by = :identity.subject::uuid
    from c
    where t.id = c.id and c.filing_no is null and c.state in ('DRAFT', 'OPEN')
    returning t.*
)
select case when done.id is null then 'conflict-state' end as "!problem",
       case when done.id is null then c.state end as "!detail",
       c.id, done.title, done.state, done.version, done.filing_no, done.filed_on, done.opened_at, done.closed_at, done.reported_at,
       done.updated_at, done.version::text as "!etag"
from c left join done on true
