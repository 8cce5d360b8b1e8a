-- What staff take out of the house, and cells that a spreadsheet does not run.

create table export_record (
	id uuid primary key,
	kind text not null,
	requested_by uuid not null,
	requested_at timestamptz not null default now(),
	organization text not null default current_setting('yg.organization', true),
	filter json not null,
	rows bigint not null,
	sha256 text not null,
	constraint export_kind_known check (kind in ('GIFTS', 'DISBURSEMENTS')),
	constraint export_rows_range check (rows between 0 and 5000),
	constraint export_sha256_form check (sha256 ~ '^[0-9a-f]{64}$')
);
create index export_newest on export_record (requested_at desc, id desc);
create trigger export_append_only before update or delete on export_record for each row execute function append_only();
alter table export_record enable row level security;
create policy export_staff on export_record for select using (current_kind() = 'staff' and in_my_organization(organization));
create policy export_insert on export_record for insert with check (current_kind() = 'staff' and requested_by = current_subject()
	and organization = current_setting('yg.organization', true));
grant select, insert (id, kind, requested_by, filter, rows, sha256) on export_record to yg_donations;

-- RFC 4180, always quoted. What a spreadsheet would take for a formula gets an apostrophe in front, and is then text.
create function csv_cell(p_text text) returns text
language sql immutable parallel safe as $$
	select '"' || replace(case when p_text ~ '^[\s\u200b-\u200f\ufeff]*[=+@＝＋－＠-]' or p_text ~ '^[\t\r\n]' then '''' || p_text else coalesce(p_text, '') end, '"', '""') || '"'
$$;
create function csv_row(variadic p_cells text[]) returns text
language sql immutable parallel safe as $$
	select string_agg(csv_cell(c), ',' order by n) || E'\r\n' from unnest(p_cells) with ordinality u (c, n)
$$;
create function csv_yuan(p_fen bigint) returns text
language sql immutable parallel safe as $$ select to_char(p_fen / 100.0, 'FM999999999999990.00') $$;
create function csv_time(p_at timestamptz) returns text
language sql stable parallel safe as $$ select to_char(p_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS') $$;
-- Days are days of Shanghai.
create function day_begins(p_day date) returns timestamptz
language sql immutable parallel safe as $$ select p_day::timestamp at time zone 'Asia/Shanghai' $$;
revoke execute on function csv_cell, csv_row, csv_yuan, csv_time, day_begins from public;
grant execute on function csv_cell, csv_row, csv_yuan, csv_time, day_begins to yg_donations;
