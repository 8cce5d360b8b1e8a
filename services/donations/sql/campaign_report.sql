-- shape: one
-- tx: write
-- What came in and where it went, published after the end.
with c as (
    select * from campaign where id = :path.id::uuid and in_my_organization(organization) for update
), done as (
    update campaign t
    set state = 'REPORTED', report = :body.report::text, report_url = :body.report_url::text,
        updated_by = :identity.subject::uuid
    from c
    where t.id = c.id and c.state = 'CLOSED'
    returning t.*
)
select case when done.id is null then 'conflict-state' end as "!problem",
       case when done.id is null then c.state end as "!detail",
       c.id, done.title, done.state, done.version, done.filing_no, done.filed_on, done.opened_at, done.closed_at, done.reported_at,
       done.updated_at, done.version::text as "!etag"
from c left join done on true
