-- shape: one
-- tx: write
select o_result as result, o_successor::text as successor
from refresh_rotate(decode(:flow.presented_sha256::text, 'hex'), decode(:flow.refresh_sha256::text, 'hex'), :flow.successor_sealed::bytea, :flow.network_shown::text)
