-- shape: one
-- tx: write
-- Gives it up: the amount is free again. WeChat has said that it knows no such refund.
with f as (
    select id, state from refund where id = :path.id::uuid
), done as materialized (
    select refund_decide(:new.id::uuid, f.id, 'CLOSE', :body.reason::text, :identity.subject::uuid) as state from f
)
select case when done.state is null then 'conflict-state' end as "!problem", case when done.state is null then f.state end as "!detail",
       f.id, done.state
from f cross join done
