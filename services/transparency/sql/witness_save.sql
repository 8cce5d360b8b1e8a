-- shape: none
-- tx: write
insert into log_cosignature (size, witness, line) values (:flow.size::bigint, :flow.witness::text, :flow.line::text) on conflict do nothing
