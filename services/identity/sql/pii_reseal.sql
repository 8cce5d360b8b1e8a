-- shape: one
-- tx: write
select pii_reseal(:flow.rows::json) as rows
