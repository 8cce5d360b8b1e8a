-- shape: one
-- tx: write
-- Counted by both sides; flow_inkind.c has sealed the name of the donor's.
select g.id, g.state, g.counted_by, rfc3339(g.counted_at) as counted_at
from (select (now() at time zone 'Asia/Shanghai')::date as today) t
cross join lateral inkind_count_record(:path.id::uuid, coalesce(:body.counted_on::date, t.today), t.today, :body.lines::json, :body.sheet_sha256::text,
    :flow.representative::bytea, :pii.key_id::uuid, :pii.wrapped_key::bytea, :body.representative_subject::uuid) g
