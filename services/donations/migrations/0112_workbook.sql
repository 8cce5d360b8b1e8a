-- Exports as workbooks beside CSV: one filter for both, a record that says which, and cells that no spreadsheet runs.

alter table export_record add format text not null default 'CSV' constraint export_format_known check (format in ('CSV', 'XLSX'));
grant insert (format) on export_record to yg_donations;

-- RFC 4180, always quoted. What a spreadsheet would take for a formula, also behind what cannot be seen and in full width, and what begins
-- with a control character, gets an apostrophe in front, and is then text.
create or replace function csv_cell(p_text text) returns text
language sql immutable parallel safe as $$
	select '"' || replace(case when p_text ~ '^[\s\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]*[=+@＝＋－＠﹦﹢﹣﹫−-]'
		or p_text ~ '^[\u0001-\u001f\u007f-\u009f]' then '''' || p_text else coalesce(p_text, '') end, '"', '""') || '"'
$$;

-- What the filter finds, newest first, one more than a file holds; row policies hold.
create function export_gifts(p_public_code text, p_campaign uuid, p_fund text, p_state text, p_channel text, p_least bigint, p_most bigint, p_from date, p_to date)
returns table (id uuid, public_code text, title text, amount_fen bigint, refunded_fen bigint, channel text, state text, shown_name text, message text,
	created_at timestamptz, paid_at timestamptz)
language sql stable as $$
	select g.id, g.public_code, c.title, g.amount_fen, g.refunded_fen, g.channel, g.state, g.shown_name, g.message, g.created_at, g.paid_at
	from gift g join campaign c on c.id = g.campaign_id
	where (p_public_code is null or g.public_code = p_public_code)
	  and (p_campaign is null or g.campaign_id = p_campaign)
	  and (p_fund is null or g.campaign_id in (select f.campaign_id from fund f where f.code = p_fund))
	  and (p_state is null or g.state = p_state)
	  and (p_channel is null or g.channel = p_channel)
	  and g.amount_fen between coalesce(p_least, 0) and coalesce(p_most, 9007199254740991)
	  and g.id >= uuid7_floor(day_begins(coalesce(p_from, '2015-01-01')))
	  and g.id < uuid7_floor(day_begins(coalesce(p_to, '2999-01-01') + 1))
	order by g.id desc limit 5001
$$;

create function export_disbursements(p_fund text, p_state text, p_from date, p_to date)
returns table (number text, fund text, amount_fen bigint, purpose text, payee_kind text, payee text, state text, created_at timestamptz, paid_at timestamptz,
	acknowledged_at timestamptz, bank_reference text)
language sql stable as $$
	select d.number, f.name, d.amount_fen, d.purpose, d.payee_kind, d.payee, d.state, d.created_at, d.paid_at, d.acknowledged_at, d.bank_reference
	from disbursement d join fund f on f.id = d.fund_id
	where in_my_organization(d.organization)
	  and (p_fund is null or f.code = p_fund)
	  and (p_state is null or d.state = p_state)
	  and d.created_at >= day_begins(coalesce(p_from, '2015-01-01'))
	  and d.created_at < day_begins(coalesce(p_to, '2999-01-01') + 1)
	order by d.created_at desc limit 5001
$$;
revoke execute on function export_gifts, export_disbursements from public;
grant execute on function export_gifts, export_disbursements to yg_donations;
