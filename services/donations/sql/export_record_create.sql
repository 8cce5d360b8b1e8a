-- shape: one
-- tx: write
-- Who took which workbook, before it leaves.
insert into export_record (id, kind, requested_by, filter, rows, sha256, format)
values (:new.id::uuid, :flow.kind::text, :identity.subject::uuid, :body::json, :flow.rows::bigint, :flow.sha256::text, 'XLSX')
returning id
