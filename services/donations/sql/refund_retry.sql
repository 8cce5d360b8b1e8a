-- shape: one
-- tx: write
-- Asks WeChat once more, under the same number.
with f as (
    select id, state from refund where id = :path.id::uuid
), done as materialized (
    select refund_decide(:new.id::uuid, f.id, 'RETRY', :body.reason::text, :identity.subject::uuid) as state from f
)
select case when done.state is null then 'conflict-state' end as "!problem", case when done.state is null then f.state end as "!detail",
       f.id, done.state
from f cross join done
