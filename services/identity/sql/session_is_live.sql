-- shape: one
-- tx: read
select session_is_live(:flow.session::uuid) as live
