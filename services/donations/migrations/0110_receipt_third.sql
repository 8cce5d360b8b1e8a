-- Receipts as the third side of reconciliation: the platform's list of a day beside ours, in the run that compares WeChat's bills. And a
-- receipt whose number came after we had closed it (LATE): it stands at the platform, so a red letter turns it back by itself.

alter table receipt drop constraint receipt_state_consistent, add constraint receipt_state_consistent check (case state
	when 'REQUESTED' then num_nonnulls(code, number, check_code, issued_at, issued_event, ended_at) = 0
	when 'FAILED' then num_nonnulls(code, number, check_code, issued_at, issued_event, ended_at) = 0 and last_error is not null
	when 'CLOSED' then num_nonnulls(code, number, check_code, issued_at, issued_event) = 0 and ended_at is not null
	when 'ISSUED' then num_nonnulls(code, number, check_code, issued_at, issued_event) = 5 and ended_at is null
	when 'LATE' then num_nonnulls(code, number, check_code, issued_at, issued_event, ended_at) = 6
	when 'VOIDED' then num_nonnulls(code, number, check_code, issued_at, issued_event, ended_at) = 6
	else false end);

create or replace function receipt_before_update() returns trigger
language plpgsql set search_path = donations, pg_temp as $$
begin
	if (new.id, new.request_no, new.gift_id, new.public_code, new.campaign_id, new.organization, new.donor, new.amount_fen, new.payer_kind,
			new.payer_uscc, new.title, new.key_id, new.commitment, new.created_at, new.replaces)
		is distinct from (old.id, old.request_no, old.gift_id, old.public_code, old.campaign_id, old.organization, old.donor, old.amount_fen, old.payer_kind,
			old.payer_uscc, old.title, old.key_id, old.commitment, old.created_at, old.replaces)
		or (old.number is not null and (new.code, new.number, new.check_code, new.issued_at, new.issued_event)
			is distinct from (old.code, old.number, old.check_code, old.issued_at, old.issued_event))
		or (new.salt is not null and new.salt is distinct from old.salt) then
		perform refuse('receipt_fixed', 'what a receipt says never changes');
	end if;
	if new.state <> old.state and (old.state, new.state) not in (('REQUESTED', 'ISSUED'), ('REQUESTED', 'FAILED'), ('FAILED', 'REQUESTED'),
		('FAILED', 'ISSUED'), ('FAILED', 'CLOSED'), ('ISSUED', 'VOIDED'), ('CLOSED', 'LATE'), ('LATE', 'VOIDED')) then
		perform refuse('receipt_transition', format('%s to %s', old.state, new.state));
	end if;
	return new;
end $$;

create or replace function receipt_whole() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from receipt r left join receipt_reversal v on v.receipt_id = r.id
		left join receipt_number n on n.receipt_id = r.id and n.kind = 'ISSUE' left join receipt_number m on m.receipt_id = r.id and m.kind = 'REVERSAL'
		where r.id = coalesce(to_json(new) ->> 'receipt_id', to_json(new) ->> 'id')::uuid
		and ((r.code, r.number) is distinct from (n.code, n.number) or (v.code, v.number) is distinct from (m.code, m.number)
			or (r.state = 'VOIDED') is distinct from (coalesce(v.state, '') = 'VOIDED')
			or (v.receipt_id is not null and r.state not in ('ISSUED', 'LATE', 'VOIDED'))
			or (v.receipt_id is null and r.state = 'LATE'))) then
		perform refuse('receipt_numbers', 'numbers, states and red letter do not fit together');
	end if;
	return null;
end $$;

-- What the platform said is not what a receipt has to look like: another try would hear the same.
create function receipt_answer_fault(p_code text, p_number text, p_check_code text) returns text
language sql stable security definer set search_path = donations, pg_temp as $$
	select case when coalesce(p_code !~ '^[0-9]{8}$' or p_number !~ '^[0-9]{10}$' or p_check_code !~ '^[0-9A-Za-z]{6}$', true) then 'BAD_NUMBER'
	            when exists (select from receipt_number where code = p_code and number = p_number) then 'NUMBER_TAKEN' end
$$;

-- "2026-11-26T08:00:00+08:00", or null for what is no time.
create function receipt_time(p_text text) returns timestamptz
language plpgsql stable as $$
begin
	return case when p_text ~ '^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]([+-][0-9]{2}:[0-9]{2}|Z)$' then p_text::timestamptz end;
exception when datetime_field_overflow or invalid_datetime_format then
	return null;
end $$;

-- For the job only: nobody who came with an identity. Forged outcomes and sealed titles are not for people.
create function receipt_job() returns void
language plpgsql stable set search_path = donations, pg_temp as $$
begin
	if current_kind() not in ('', 'system') then
		perform refuse('receipt_job', 'for the job only');
	end if;
end $$;

-- As before; what came after the receipt was closed is written down all the same and turned back, and an answer that cannot be a receipt's is a failure.
create or replace function receipt_settle(p_request_no text, p_amount_fen bigint, p_code text, p_number text, p_check_code text, p_at timestamptz) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	r receipt;
	v_gift uuid := (select gift_id from receipt where request_no = p_request_no);
	v_fault text;
	v_event uuid;
	v_new uuid := uuid7_new();
begin
	perform receipt_job();
	perform from gift where id = v_gift for update;
	select * into r from receipt where request_no = p_request_no for update;
	if r.id is null or r.state not in ('REQUESTED', 'FAILED', 'CLOSED') then
		return r.state;
	end if;
	v_fault := case when p_at is null then 'BAD_NUMBER' when p_amount_fen is distinct from r.amount_fen then 'AMOUNT_MISMATCH'
		else receipt_answer_fault(p_code, p_number, p_check_code) end;
	if v_fault is not null then
		raise warning 'receipt %: the platform says % fen, % %; we asked for %: %', r.request_no, p_amount_fen, left(p_code, 20), left(p_number, 20), r.amount_fen, v_fault;
		update receipt set last_error = v_fault, state = case when v_fault = 'AMOUNT_MISMATCH' or r.state <> 'REQUESTED' then r.state else 'FAILED' end
		where id = r.id returning state into r.state;
		return r.state;
	end if;
	v_event := outbox_leaf('receipt.issued', r.id::text, json_build_object('receipt_id', r.id, 'gift_id', r.gift_id, 'organization', r.organization, 'amount_fen', r.amount_fen),
		'receipt.issued', r.public_code, p_at, json_build_object('campaign_id', r.campaign_id, 'code', p_code, 'number', p_number, 'amount_fen', r.amount_fen),
		json_build_object('payer', r.commitment), null, (select json_build_array(event_id) from entry_leaf where entry_id = r.gift_id));
	insert into receipt_number (code, number, receipt_id, kind) values (p_code, p_number, r.id, 'ISSUE');
	if r.state = 'CLOSED' then
		raise warning 'receipt %: number % % came after it was closed; a red letter turns it back', r.request_no, p_code, p_number;
		update receipt set state = 'LATE', code = p_code, number = p_number, check_code = p_check_code, issued_at = p_at, issued_event = v_event where id = r.id;
		insert into receipt_reversal (receipt_id, id, request_no, reason) values (r.id, v_new, replace(v_new::text, '-', ''), '撤销后开出，冲红');
		return 'LATE';
	end if;
	update receipt set state = 'ISSUED', code = p_code, number = p_number, check_code = p_check_code, issued_at = p_at, issued_event = v_event, last_error = null
	where id = r.id;
	perform receipt_fit(r.gift_id);
	return 'ISSUED';
end $$;

create or replace function receipt_reversal_settle(p_request_no text, p_amount_fen bigint, p_code text, p_number text, p_check_code text, p_at timestamptz) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v receipt_reversal;
	r receipt;
	v_gift uuid := (select x.gift_id from receipt x join receipt_reversal y on y.receipt_id = x.id where y.request_no = p_request_no);
	v_fault text;
begin
	perform receipt_job();
	perform from gift where id = v_gift for update;
	select x.* into r from receipt x join receipt_reversal y on y.receipt_id = x.id where y.request_no = p_request_no for update of x;
	select * into v from receipt_reversal where request_no = p_request_no for update;
	if v.id is null or v.state = 'VOIDED' then
		return v.state;
	end if;
	v_fault := case when p_at is null then 'BAD_NUMBER' when p_amount_fen is distinct from -r.amount_fen then 'AMOUNT_MISMATCH'
		else receipt_answer_fault(p_code, p_number, p_check_code) end;
	if v_fault is not null then
		raise warning 'red letter %: the platform says % fen, % %; the receipt has %: %', v.request_no, p_amount_fen, left(p_code, 20), left(p_number, 20), r.amount_fen, v_fault;
		if v_fault = 'AMOUNT_MISMATCH' then
			update receipt_reversal set state = 'REQUESTED', last_error = v_fault where receipt_id = r.id;
		elsif v.state = 'REQUESTED' then
			update receipt_reversal set state = 'FAILED', last_error = v_fault where receipt_id = r.id;
			return 'FAILED';
		end if;
		return v.state;
	end if;
	insert into receipt_number (code, number, receipt_id, kind) values (p_code, p_number, r.id, 'REVERSAL');
	update receipt_reversal set state = 'VOIDED', code = p_code, number = p_number, check_code = p_check_code, voided_at = p_at, last_error = null where receipt_id = r.id;
	update receipt set state = 'VOIDED', ended_at = now() where id = r.id;
	perform outbox_leaf('receipt.voided', r.id::text, json_build_object('receipt_id', r.id, 'gift_id', r.gift_id, 'organization', r.organization, 'amount_fen', r.amount_fen),
		'receipt.voided', r.public_code, p_at, json_build_object('campaign_id', r.campaign_id, 'code', p_code, 'number', p_number, 'amount_fen', -r.amount_fen,
			'original', json_build_object('code', r.code, 'number', r.number)),
		null, null, json_build_array(r.issued_event));
	if v.requested_by is null and r.state = 'ISSUED' then
		perform receipt_replace(r.id);
	end if;
	return 'VOIDED';
end $$;

-- As before, but one that failed by its answer stands at the platform: it is not given up for another one by itself.
create or replace function receipt_fit(p_gift_id uuid) returns void
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g gift;
	r receipt;
	v_new uuid := uuid7_new();
begin
	select * into g from gift where id = p_gift_id for update;
	select * into r from receipt where gift_id = p_gift_id and state in ('REQUESTED', 'FAILED', 'ISSUED') for update;
	if r.state = 'ISSUED' and r.amount_fen <> g.amount_fen - g.refunded_fen then
		insert into receipt_reversal (receipt_id, id, request_no, reason) values (r.id, v_new, replace(v_new::text, '-', ''), '退款冲红')
		on conflict (receipt_id) do nothing;
	elsif r.state = 'FAILED' and r.last_error not in ('BAD_NUMBER', 'NUMBER_TAKEN') and r.amount_fen <> g.amount_fen - g.refunded_fen then
		update receipt set state = 'CLOSED', ended_at = now() where id = r.id;
		perform receipt_replace(r.id);
	end if;
end $$;

-- ── the list of a day ──
create index receipt_by_issue on receipt (issued_at) where issued_at is not null;
create index receipt_reversal_by_issue on receipt_reversal (voided_at) where voided_at is not null;

-- The list's rows, without anything of the payer and without check codes.
create table receipt_line (
	run_id uuid not null constraint receipt_line_run references reconciliation_run (id),
	line integer not null,
	kind text not null,
	request_no text not null,
	order_no text not null,
	code text not null,
	number text not null,
	amount_fen bigint not null,
	state text not null,
	original text not null,
	at timestamptz not null,
	primary key (run_id, line),
	constraint receipt_line_kind_known check (kind in ('ISSUE', 'REVERSAL')),
	constraint receipt_line_state_known check (state in ('ISSUED', 'VOIDED'))
);
create trigger receipt_line_append_only before update or delete on receipt_line for each row execute function append_only();

alter table reconciliation_run add receipts bigint, add red_letters bigint, add receipts_fen bigint, add red_fen bigint,
	add receipts_error text; -- why a run that is done went without the platform's list
alter table reconciliation_difference
	drop constraint reconciliation_difference_kind_known, add constraint reconciliation_difference_kind_known
		check (kind in ('MISSING_HERE', 'MISSING_THERE', 'AMOUNT', 'STATE', 'FEE', 'FUND_FLOW', 'RECEIPT_MISSING_HERE', 'RECEIPT_MISSING_THERE',
			'RECEIPT_AMOUNT', 'RECEIPT_STATE', 'RECEIPT_TWICE', 'RECEIPT_OVER')),
	drop constraint reconciliation_difference_subject_known, add constraint reconciliation_difference_subject_known
		check (subject in ('PAYMENT', 'REFUND', 'RECEIPT', 'RED_LETTER')),
	drop constraint reconciliation_difference_amounts, add constraint reconciliation_difference_amounts
		check (case when kind in ('MISSING_THERE', 'RECEIPT_MISSING_THERE') then ours_fen is not null and theirs_fen is null
			else ours_fen is not null or theirs_fen is not null end),
	drop constraint reconciliation_difference_settled, add constraint reconciliation_difference_settled
		check (settled_at is null or kind in ('MISSING_HERE', 'RECEIPT_MISSING_HERE', 'RECEIPT_TWICE'));

-- A run's rows have just been written, so the planner knows nothing of them: without an estimate it would compare each with each.
create function bill_lines(p_run uuid, p_bill text) returns setof bill_line
language plpgsql volatile rows 20000 set search_path = donations, pg_temp as $$
begin
	return query select * from bill_line l where l.run_id = p_run and l.bill = p_bill;
end $$;
create function receipt_lines(p_run uuid) returns setof receipt_line
language plpgsql volatile rows 20000 set search_path = donations, pg_temp as $$
begin
	return query select * from receipt_line l where l.run_id = p_run;
end $$;

-- As before, in a time that grows with the rows and not with their square.
create or replace function reconciliation_compare(p_run uuid, p_day date)
returns table (kind text, subject text, number text, provider_id text, ours_fen bigint, theirs_fen bigint, note text, settle boolean, at timestamptz)
language sql volatile security definer set search_path = donations, pg_temp as $$
	with t as materialized (select *, case kind when 'PAYMENT' then out_trade_no else out_refund_no end as number from bill_lines(p_run, 'TRADE')),
	f as materialized (select * from bill_lines(p_run, 'FUND')),
	payment as (
		select case when o.out_trade_no is null then 'MISSING_HERE' when o.amount_fen <> t.amount_fen then 'AMOUNT'
		            when t.state <> 'SUCCESS' then 'STATE' when o.state <> 'PAID' then 'MISSING_HERE' else 'STATE' end as kind,
		       t.out_trade_no, t.transaction_id, o.amount_fen as ours, t.amount_fen as theirs, o.state as here, t.state as there, t.at
		from t left join pay_order o on o.out_trade_no = t.out_trade_no
		where t.kind = 'PAYMENT' and not (o.out_trade_no is not null and o.state = 'PAID' and o.amount_fen = t.amount_fen
			and o.transaction_id = t.transaction_id and t.state = 'SUCCESS')
	), back as (
		select case when r.id is null then 'MISSING_HERE' when r.amount_fen <> t.amount_fen then 'AMOUNT'
		            when r.state in ('SUCCESS', 'CLOSED') then 'STATE' else 'MISSING_HERE' end as kind,
		       t.out_refund_no, t.refund_id, r.amount_fen as ours, t.amount_fen as theirs, r.state as here, t.at
		from t left join refund r on r.out_refund_no = t.out_refund_no
		where t.kind = 'REFUND' and t.state = 'SUCCESS' and not (r.id is not null and r.state = 'SUCCESS' and r.amount_fen = t.amount_fen
			and coalesce(r.provider_refund_id, t.refund_id) = t.refund_id)
	), mine as (
		select case m.kind when 'PAYMENT' then 'PAYMENT' else 'REFUND' end as subject, coalesce(r.out_refund_no, g.public_code) as number, abs(m.amount_fen) as fen
		from money_entry m join gift g on g.id = m.gift_id left join refund r on r.id = m.refund_id
		where m.occurred_at >= p_day::timestamp at time zone 'Asia/Shanghai' and m.occurred_at < (p_day + 1)::timestamp at time zone 'Asia/Shanghai'
		  and g.channel = 'WECHAT_JSAPI'
	)
	select kind, 'PAYMENT', out_trade_no, transaction_id, ours, theirs,
	       format('here %s, there %s', coalesce(here, 'unknown'), there), kind = 'MISSING_HERE' and ours is not null, at from payment
	union all
	select kind, 'REFUND', out_refund_no, refund_id, ours, theirs, format('here %s, there SUCCESS', coalesce(here, 'unknown')), kind = 'MISSING_HERE' and ours is not null, at
	from back
	union all
	select 'MISSING_THERE', m.subject, m.number, '', m.fen, null, 'not in the bill of the day', false, null from mine m
	where not exists (select from t where t.kind = m.subject and t.number = m.number)
	union all
	-- WeChat's own two bills, one beside the other: what was traded has moved, and nothing else
	select 'FUND_FLOW', coalesce(t.kind, f.kind), coalesce(t.number, f.out_trade_no), coalesce(t.id, f.id), t.fen, f.fen,
	       'trade bill and fund bill', false, null
	from (select t.kind, case t.kind when 'PAYMENT' then t.transaction_id else t.refund_id end as id,
	             case t.kind when 'PAYMENT' then t.out_trade_no else t.out_refund_no end as number, t.amount_fen as fen
	      from t where t.state = 'SUCCESS') t
	full join (select f.kind, f.transaction_id as id, max(f.out_trade_no) as out_trade_no, abs(sum(f.amount_fen))::bigint as fen
	           from f where f.kind in ('PAYMENT', 'REFUND') group by 1, 2) f on f.kind = t.kind and f.id = t.id
	where t.fen is distinct from f.fen
	union all
	select 'FEE', 'PAYMENT', t.out_trade_no, t.transaction_id, round(t.fee_milli_fen / 1000.0)::bigint, coalesce(f.fen, 0), 'fee in the trade bill and as taken', false, null
	from t left join (select f.transaction_id, -sum(f.amount_fen)::bigint as fen from f where f.kind = 'FEE' group by 1) f using (transaction_id)
	where t.kind = 'PAYMENT' and round(t.fee_milli_fen / 1000.0)::bigint <> coalesce(f.fen, 0)
$$;

-- What the platform's list and our receipts say of a day, one row for each disagreement. `settle`: we only lack the news.
-- What a red letter of ours, a day old at most, is about to put right is none. A request that the list names twice is believed in neither row.
create function receipt_compare(p_run uuid, p_day date, p_receipts json)
returns table (kind text, subject text, number text, provider_id text, ours_fen bigint, theirs_fen bigint, note text, organization text, settle boolean,
	code text, series text, check_code text, at timestamptz)
language sql volatile security definer set search_path = donations, pg_temp as $$
	with t as materialized (
		select l.*, count(*) over (partition by l.kind, l.request_no) = 1 as once from receipt_lines(p_run) l
	), checks as (
		select n::integer as line, e ->> 5 as check_code from json_array_elements(p_receipts) with ordinality x (e, n)
	), issue as materialized ( -- theirs, with ours beside it
		select t.*, r.id, r.state as here, r.amount_fen as ours, r.organization, r.ended_at, (r.code, r.number) is distinct from (t.code, t.number) as other_number,
		       coalesce(v.state = 'REQUESTED' and v.created_at > now() - interval '1 day', false) as turning
		from t left join receipt r on r.request_no = t.request_no left join receipt_reversal v on v.receipt_id = r.id
		where t.kind = 'ISSUE'
	), named as ( -- gifts of the list, of our receipts of the day, and of its refunds
		select o.gift_id from (select distinct order_no from issue) i join pay_order o on o.out_trade_no = i.order_no
		union
		select r.gift_id from receipt r where r.issued_at >= p_day::timestamp at time zone 'Asia/Shanghai' and r.issued_at < (p_day + 1)::timestamp at time zone 'Asia/Shanghai'
		union
		select m.gift_id from money_entry m where m.kind = 'REFUND' and m.occurred_at >= p_day::timestamp at time zone 'Asia/Shanghai'
			and m.occurred_at < (p_day + 1)::timestamp at time zone 'Asia/Shanghai'
	), live as materialized ( -- what stands at the platform, of these gifts: as the list says, else as we know
		select i.line, i.once, i.order_no, i.request_no, i.code, i.number, i.amount_fen, i.at, coalesce(i.here, '') as here, i.turning, i.ours from issue i
		where i.state = 'ISSUED' and i.order_no <> '' and not (i.here = 'VOIDED' and i.ended_at >= now() - interval '10 minutes') is true -- voided while the list was on its way
		union all
		select null, true, r.public_code, r.request_no, r.code, r.number, r.amount_fen, r.issued_at, r.state,
		       coalesce(v.state = 'REQUESTED' and v.created_at > now() - interval '1 day', false), r.amount_fen
		from named n join receipt r on r.gift_id = n.gift_id left join receipt_reversal v on v.receipt_id = r.id
		where r.state in ('ISSUED', 'LATE') and not exists (select from issue i where i.request_no = r.request_no)
	), ranked as (
		select l.*, row_number() over w as place, first_value(l.amount_fen) over w as first_fen
		from live l where not l.turning
		window w as (partition by l.order_no order by l.here <> 'ISSUED', l.at, l.request_no, l.line)
	), twice as materialized (
		select * from ranked where place > 1
	), sums as (
		select order_no, sum(amount_fen)::bigint as fen from live where not turning group by 1
	)
	select 'RECEIPT_TWICE', 'RECEIPT', w.request_no, w.code || w.number, w.first_fen, w.amount_fen, format('here %s; gift %s', coalesce(nullif(w.here, ''), 'unknown'), w.order_no),
	       payment_exception_organization(w.order_no), w.once and w.here in ('REQUESTED', 'FAILED', 'CLOSED') and w.ours = w.amount_fen, w.code, w.number,
	       (select c.check_code from checks c where c.line = w.line), w.at
	from twice w
	union all
	select case when i.here in ('REQUESTED', 'FAILED', 'CLOSED') and i.state = 'VOIDED' then 'RECEIPT_STATE'
	            when i.here is null then 'RECEIPT_MISSING_HERE' when i.ours <> i.amount_fen then 'RECEIPT_AMOUNT'
	            when i.here in ('REQUESTED', 'FAILED', 'CLOSED') then 'RECEIPT_MISSING_HERE' else 'RECEIPT_STATE' end,
	       'RECEIPT', i.request_no, i.code || i.number, i.ours, i.amount_fen, format('here %s, there %s%s', coalesce(i.here, 'unknown'), i.state,
	           case when i.here in ('ISSUED', 'LATE', 'VOIDED') and i.other_number then ' under another number' else '' end),
	       coalesce(i.organization, payment_exception_organization(i.order_no)), coalesce(i.once and i.here in ('REQUESTED', 'FAILED', 'CLOSED') and i.ours = i.amount_fen and i.state = 'ISSUED', false),
	       i.code, i.number, c.check_code, i.at
	from issue i join checks c using (line)
	where (i.here is null or i.here in ('REQUESTED', 'FAILED', 'CLOSED') or i.ours <> i.amount_fen or i.other_number
		or (i.state = 'VOIDED' and i.here <> 'VOIDED' and not i.turning)
		or (i.state = 'ISSUED' and i.here = 'VOIDED' and i.ended_at < now() - interval '10 minutes'))
	  and not exists (select from twice w where w.line = i.line)
	union all
	select case when v.id is null then 'RECEIPT_MISSING_HERE' when -r.amount_fen <> t.amount_fen then 'RECEIPT_AMOUNT'
	            when v.state <> 'VOIDED' then 'RECEIPT_MISSING_HERE' else 'RECEIPT_STATE' end,
	       'RED_LETTER', t.request_no, t.code || t.number, -r.amount_fen, t.amount_fen, format('here %s, there issued', coalesce(v.state, 'unknown')),
	       coalesce(r.organization, payment_exception_organization(t.order_no)), t.once and v.state <> 'VOIDED' and -r.amount_fen = t.amount_fen, t.code, t.number, c.check_code, t.at
	from t join checks c using (line) left join receipt_reversal v on v.request_no = t.request_no left join receipt r on r.id = v.receipt_id
	where t.kind = 'REVERSAL' and not (v.id is not null and v.state = 'VOIDED' and -r.amount_fen = t.amount_fen and v.code = t.code and v.number = t.number)
	union all
	select 'RECEIPT_MISSING_THERE', 'RECEIPT', r.request_no, r.code || r.number, r.amount_fen, null, 'not in the list of the day', r.organization, false, null, null, null, null
	from receipt r
	where r.issued_at >= p_day::timestamp at time zone 'Asia/Shanghai' and r.issued_at < (p_day + 1)::timestamp at time zone 'Asia/Shanghai'
	  and not exists (select from issue i where i.request_no = r.request_no)
	union all
	select 'RECEIPT_MISSING_THERE', 'RED_LETTER', v.request_no, v.code || v.number, -r.amount_fen, null, 'not in the list of the day', r.organization, false, null, null, null, null
	from receipt_reversal v join receipt r on r.id = v.receipt_id
	where v.voided_at >= p_day::timestamp at time zone 'Asia/Shanghai' and v.voided_at < (p_day + 1)::timestamp at time zone 'Asia/Shanghai'
	  and not exists (select from t where t.kind = 'REVERSAL' and t.request_no = v.request_no)
	union all
	select 'RECEIPT_OVER', 'RECEIPT', s.order_no, '', g.amount_fen - g.refunded_fen, s.fen, 'receipts of a gift, and what of it is not refunded',
	       payment_exception_organization(s.order_no), false, null, null, null, null
	from sums s join pay_order o on o.out_trade_no = s.order_no join gift g on g.id = o.gift_id
	where s.fen > g.amount_fen - g.refunded_fen and not exists (select from twice w where w.order_no = s.order_no)
$$;

-- Keeps one difference; whether the run itself put it right.
create function reconciliation_keep(p_run reconciliation_run, p_kind text, p_subject text, p_number text, p_provider_id text, p_ours bigint, p_theirs bigint,
	p_note text, p_organization text, p_settled boolean) returns void
language sql volatile security definer set search_path = donations, pg_temp as $$
	insert into reconciliation_difference (day, kind, subject, number, provider_id, ours_fen, theirs_fen, organization, note, first_run, last_run, settled_at)
	values (p_run.day, p_kind, p_subject, p_number, p_provider_id, p_ours, p_theirs, p_organization, p_note, p_run.id, p_run.id, case when p_settled then now() end)
	on conflict on constraint reconciliation_difference_once do update
	set last_run = p_run.id, note = excluded.note, settled_at = coalesce(reconciliation_difference.settled_at, excluded.settled_at)
$$;

create function receipt_reconcile(p_run reconciliation_run, p_receipts json, out seen bigint, out mended bigint)
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d record;
	v_outcome text;
begin
	insert into receipt_line (run_id, line, kind, request_no, order_no, code, number, amount_fen, state, original, at)
	select p_run.id, n, l ->> 0, l ->> 1, l ->> 2, l ->> 3, l ->> 4, (l ->> 6)::bigint, l ->> 7, l ->> 9, (l ->> 8)::timestamp at time zone 'Asia/Shanghai'
	from json_array_elements(p_receipts) with ordinality e (l, n);
	seen := 0;
	mended := 0;
	for d in select * from receipt_compare(p_run.id, p_run.day, p_receipts) c order by c.number, c.kind loop
		v_outcome := case when not d.settle then ''
			when d.subject = 'RECEIPT' then receipt_settle(d.number, d.theirs_fen, d.code, d.series, d.check_code, d.at)
			else receipt_reversal_settle(d.number, d.theirs_fen, d.code, d.series, d.check_code, d.at) end;
		perform reconciliation_keep(p_run, d.kind, d.subject, d.number, d.provider_id, d.ours_fen, d.theirs_fen, d.note, d.organization,
			coalesce(v_outcome in ('ISSUED', 'LATE', 'VOIDED'), false));
		seen := seen + 1;
		mended := mended + coalesce(v_outcome in ('ISSUED', 'LATE', 'VOIDED'), false)::integer;
	end loop;
end $$;

-- As before, with the platform's list of the day as the third side; null when there is no platform, or when it could not be had (p_receipts_error).
drop function reconciliation_finish(uuid, text, text, json, json);
create function reconciliation_finish(p_run uuid, p_trade_sha1 text, p_fund_sha1 text, p_trade json, p_fund json, p_receipts json default null,
	p_receipts_error text default null) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v reconciliation_run;
	d record;
	v_found bigint := 0;
	v_settled bigint := 0;
	v_seen bigint := 0;
	v_mended bigint := 0;
	v_outcome text;
	v_tags text := '';
begin
	select * into v from reconciliation_run where id = p_run for update;
	if v.id is null or v.state = 'DONE' then
		return '';
	end if;
	perform bill_line_store(p_run, 'TRADE', p_trade);
	perform bill_line_store(p_run, 'FUND', p_fund);
	for d in select * from reconciliation_compare(p_run, v.day) c order by c.number loop
		v_outcome := case when not d.settle then ''
			when d.subject = 'PAYMENT' then payment_settle(d.number, d.provider_id, d.theirs_fen, d.at)
			else refund_settle(d.number, 'SUCCESS', d.provider_id, d.theirs_fen, d.at) end;
		perform reconciliation_keep(v, d.kind, d.subject, d.number, d.provider_id, d.ours_fen, d.theirs_fen, d.note, payment_exception_organization(d.number),
			coalesce(v_outcome in ('SETTLED', 'ALREADY', 'SUCCESS'), false));
		v_found := v_found + 1;
		if v_outcome in ('SETTLED', 'ALREADY', 'SUCCESS') then
			v_settled := v_settled + 1;
			if v_settled <= 100 then
				v_tags := v_tags || coalesce(case d.subject when 'REFUND' then refund_tags(d.number) || ' '
					else (select concat('gift:', o.out_trade_no, ' campaign:', o.campaign_id, ' ') from pay_order o where o.out_trade_no = d.number) end, '');
			end if;
		end if;
	end loop;
	if p_receipts is not null then
		select p.seen, p.mended into v_seen, v_mended from receipt_reconcile(v, p_receipts) p;
		update reconciliation_run r set receipts = s.receipts, red_letters = s.red_letters, receipts_fen = s.receipts_fen, red_fen = s.red_fen
		from (select count(*) filter (where kind = 'ISSUE') as receipts, count(*) filter (where kind = 'REVERSAL') as red_letters,
		             coalesce(sum(amount_fen) filter (where kind = 'ISSUE'), 0)::bigint as receipts_fen,
		             coalesce(-sum(amount_fen) filter (where kind = 'REVERSAL'), 0)::bigint as red_fen
		      from receipt_line where run_id = p_run) s
		where r.id = p_run;
	end if;
	update reconciliation_run r
	set state = 'DONE', finished_at = now(), next_try_at = null, last_error = null, trade_sha1 = p_trade_sha1, fund_sha1 = p_fund_sha1,
		payments = s.payments, refunds = s.refunds, paid_fen = s.paid_fen, refunded_fen = s.refunded_fen, fee_milli_fen = s.fee_milli_fen,
		receipts_error = case when p_receipts is null then left(p_receipts_error, 200) end,
		found = v_found + v_seen, settled = v_settled + v_mended
	from (select count(*) filter (where kind = 'PAYMENT') as payments, count(*) filter (where kind = 'REFUND') as refunds,
	             coalesce(sum(amount_fen) filter (where kind = 'PAYMENT'), 0)::bigint as paid_fen,
	             coalesce(sum(amount_fen) filter (where kind = 'REFUND'), 0)::bigint as refunded_fen, coalesce(sum(fee_milli_fen), 0)::bigint as fee_milli_fen
	      from bill_line where run_id = p_run and bill = 'TRADE') s
	where r.id = p_run;
	return case when v_settled > 0 then v_tags || 'campaigns summary' else '' end;
end $$;

-- OPEN: the last finished run of the day that looked at this side saw it, and nobody has dealt with it.
create or replace function reconciliation_state(d reconciliation_difference) returns text
language sql stable security definer set search_path = donations, pg_temp as $$
	select case when exists (select from reconciliation_resolution r where r.difference_id = d.id) then 'RESOLVED'
	            when d.settled_at is not null then 'SETTLED'
	            when d.last_run = (select r.id from reconciliation_run r where r.day = d.day and r.state = 'DONE' and (d.subject in ('PAYMENT', 'REFUND') or r.receipts is not null)
	                               order by r.finished_at desc, r.id desc limit 1) then 'OPEN'
	            else 'GONE' end
$$;

-- A day whose last run went without the platform's list is due as well.
create or replace function reconciliation_matters() returns table (differences_open bigint, days_due bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select (select count(*) from reconciliation_difference d where d.settled_at is null and reconciliation_state(d) = 'OPEN'),
	       (select count(*) from reconciliation_run r where r.next_try_at is not null and r.attempts > 0)
	       + (select count(*) from reconciliation_run r where r.receipts_error is not null
	          and not exists (select from reconciliation_run n where n.day = r.day and n.state = 'DONE' and n.finished_at > r.finished_at))
$$;

revoke execute on function bill_lines, receipt_lines, receipt_answer_fault, receipt_time, receipt_job, receipt_compare, reconciliation_keep, receipt_reconcile, reconciliation_finish from public;
grant execute on function receipt_time, receipt_job, reconciliation_finish to yg_donations;
