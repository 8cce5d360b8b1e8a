-- shape: one
-- tx: write
select log_append(:flow.size::bigint, :flow.seqs::json, :flow.nodes::json, decode(:flow.root, 'hex'), :flow.note) as appended
