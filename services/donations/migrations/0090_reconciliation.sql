-- Reconciliation: WeChat's bills of a day beside our books. A run fetches both bills and compares; differences are a work list whose
-- rows outlive the run, so that a new run of the day keeps what people said about them.

-- The job does the days from here on; earlier ones are done when staff ask.
create table reconciliation_since (
	one boolean not null default true constraint reconciliation_since_one primary key constraint reconciliation_since_true check (one),
	day date not null
);
insert into reconciliation_since (day) values ((now() at time zone 'Asia/Shanghai')::date);

create table reconciliation_run (
	id uuid primary key,
	day date not null,
	requested_by uuid, -- null: the job
	requested_at timestamptz not null default now(),
	state text not null default 'REQUESTED',
	attempts integer not null default 0,
	next_try_at timestamptz default now(), -- null: nothing more is tried under this run
	last_error text,
	finished_at timestamptz,
	trade_sha1 text,
	fund_sha1 text,
	payments bigint, refunds bigint, paid_fen bigint, refunded_fen bigint, fee_milli_fen bigint,
	found bigint, settled bigint,
	constraint reconciliation_run_consistent check (case when state = 'DONE' then finished_at is not null and next_try_at is null and payments is not null
		when state in ('REQUESTED', 'NOT_READY', 'REFUSED', 'UNREACHABLE', 'WRONG_HASH', 'TRUNCATED', 'GARBAGE', 'TOO_LARGE') then finished_at is null
		else false end)
);
-- one at a time for a day
create unique index reconciliation_run_open on reconciliation_run (day) where next_try_at is not null;
create index reconciliation_run_by_day on reconciliation_run (day, requested_at desc);
create index reconciliation_run_newest on reconciliation_run (requested_at desc, id desc);
create function reconciliation_run_kept() returns trigger
language plpgsql as $$
begin
	if tg_op = 'DELETE' or old.state = 'DONE' or (new.id, new.day, new.requested_at) is distinct from (old.id, old.day, old.requested_at) then
		perform refuse('reconciliation_run_fixed', 'a run that is done never changes');
	end if;
	return new;
end $$;
create trigger reconciliation_run_kept before update or delete on reconciliation_run for each row execute function reconciliation_run_kept();

-- The bills' rows, without anything of the payer.
create table bill_line (
	run_id uuid not null constraint bill_line_run references reconciliation_run (id),
	bill text not null,
	line integer not null,
	kind text not null,
	out_trade_no text not null,
	transaction_id text not null,
	out_refund_no text not null,
	refund_id text not null,
	state text not null,
	amount_fen bigint not null,
	fee_milli_fen bigint not null,
	at timestamptz not null,
	primary key (run_id, bill, line),
	constraint bill_line_bill_known check (bill in ('TRADE', 'FUND')),
	constraint bill_line_kind_known check (kind in ('PAYMENT', 'REFUND', 'FEE', 'OTHER'))
);
create trigger bill_line_append_only before update or delete on bill_line for each row execute function append_only();

create table reconciliation_difference (
	id uuid primary key default gen_random_uuid(),
	day date not null,
	kind text not null,
	subject text not null,
	number text not null,      -- of the order or the refund
	provider_id text not null, -- WeChat's transaction or refund; '' when it has none
	ours_fen bigint,
	theirs_fen bigint,
	organization text,         -- whose campaign; null: nobody's
	note text not null,
	first_run uuid not null constraint reconciliation_difference_first references reconciliation_run (id),
	last_run uuid not null constraint reconciliation_difference_last references reconciliation_run (id), -- that saw it
	seen_at timestamptz not null default now(),
	settled_at timestamptz,    -- the run itself put it right, as a callback would have
	constraint reconciliation_difference_once unique nulls not distinct (day, kind, subject, number, provider_id, ours_fen, theirs_fen),
	constraint reconciliation_difference_kind_known check (kind in ('MISSING_HERE', 'MISSING_THERE', 'AMOUNT', 'STATE', 'FEE', 'FUND_FLOW')),
	constraint reconciliation_difference_subject_known check (subject in ('PAYMENT', 'REFUND')),
	constraint reconciliation_difference_amounts check (case kind when 'MISSING_THERE' then ours_fen is not null and theirs_fen is null
		else ours_fen is not null or theirs_fen is not null end),
	constraint reconciliation_difference_settled check (settled_at is null or kind = 'MISSING_HERE')
);
create index reconciliation_difference_newest on reconciliation_difference (seen_at desc, id desc);
create trigger reconciliation_difference_kept before delete on reconciliation_difference for each row execute function append_only();

create table reconciliation_resolution (
	difference_id uuid constraint reconciliation_resolved_once primary key
		constraint reconciliation_resolution_of references reconciliation_difference (id),
	reason text not null,
	resolved_by uuid not null,
	resolved_at timestamptz not null default now(),
	constraint reconciliation_reason_length check (length(reason) between 1 and 500)
);
create trigger reconciliation_resolution_append_only before update or delete on reconciliation_resolution for each row execute function append_only();

-- Which payments and refunds are of a day: entries are appended in the order of time, so that this costs their writers nothing.
create index money_entry_by_time on money_entry using brin (occurred_at) with (pages_per_range = 32);

-- The last day whose bill WeChat has: from ten o'clock of the next one.
create function reconciliation_last_day() returns date
language sql stable as $$
	select ((now() at time zone 'Asia/Shanghai') - interval '34 hours')::date
$$;

-- Bills are of the whole merchant account, which is the topmost unit's.
create function is_topmost() returns boolean
language sql stable as $$
	select current_kind() = 'staff' and current_setting('yg.organization', true) <> '' and position('/' in current_setting('yg.organization', true)) = 0
$$;

-- A new run of a day; what was still being tried for it is given up. Refuses while one was asked for that has not begun.
create function reconciliation_start(p_id uuid, p_day date, p_by uuid) returns reconciliation_run
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v reconciliation_run;
begin
	if not is_topmost() then
		perform refuse('reconciliation_topmost', 'bills are of the topmost unit');
	end if;
	if p_day > reconciliation_last_day() or p_day < reconciliation_last_day() - 88 then
		perform refuse('reconciliation_day_range', 'WeChat has no bill of that day');
	end if;
	update reconciliation_run set next_try_at = null where day = p_day and next_try_at is not null and attempts > 0;
	insert into reconciliation_run (id, day, requested_by) values (p_id, p_day, p_by) returning * into v;
	return v;
end $$;

-- Runs that are due; days that have none get theirs. The next try is put off before anything is done: 2, 4 … minutes, up to six hours.
create function reconciliation_take_due(p_limit integer) returns table (id uuid, day date, attempts integer)
language plpgsql security definer set search_path = donations, pg_temp as $$
#variable_conflict use_column
begin
	insert into reconciliation_run (id, day)
	select gen_random_uuid(), d::date
	from reconciliation_since s, generate_series(greatest(s.day, reconciliation_last_day() - 88), reconciliation_last_day(), interval '1 day') d
	where not exists (select from reconciliation_run r where r.day = d::date and (r.state = 'DONE' or r.next_try_at is not null))
	on conflict (day) where next_try_at is not null do nothing;
	return query
	update reconciliation_run r
	set attempts = r.attempts + 1, next_try_at = now() + least(interval '2 minutes' * power(2, least(r.attempts, 10)), interval '6 hours')
	where r.id = any(array(select d.id from reconciliation_run d where d.next_try_at <= now() order by d.next_try_at limit least(p_limit, 100) for update skip locked))
	returning r.id, r.day, r.attempts;
end $$;

create function reconciliation_fail(p_run uuid, p_state text, p_error text) returns text
language sql security definer set search_path = donations, pg_temp as $$
	update reconciliation_run set state = p_state, last_error = left(p_error, 200) where id = p_run and state <> 'DONE' returning state
$$;

-- What both sides say, one row for each disagreement. `settle`: WeChat has the money and we only lack the news.
create function reconciliation_compare(p_run uuid, p_day date)
returns table (kind text, subject text, number text, provider_id text, ours_fen bigint, theirs_fen bigint, note text, settle boolean, at timestamptz)
language sql volatile security definer set search_path = donations, pg_temp as $$
	with t as (select * from bill_line where run_id = p_run and bill = 'TRADE'),
	f as (select * from bill_line where run_id = p_run and bill = 'FUND'),
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
	where not exists (select from t where case m.subject when 'PAYMENT' then t.kind = 'PAYMENT' and t.out_trade_no = m.number
		else t.kind = 'REFUND' and t.out_refund_no = m.number end)
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

create function bill_line_store(p_run uuid, p_bill text, p_lines json) returns void
language sql security definer set search_path = donations, pg_temp as $$
	insert into bill_line (run_id, bill, line, kind, out_trade_no, transaction_id, out_refund_no, refund_id, state, amount_fen, fee_milli_fen, at)
	select p_run, p_bill, n, l ->> 0, l ->> 1, l ->> 2, l ->> 3, l ->> 4, l ->> 5, (l ->> 6)::bigint, (l ->> 7)::bigint, (l ->> 8)::timestamp at time zone 'Asia/Shanghai'
	from json_array_elements(p_lines) with ordinality e (l, n)
$$;

-- Keeps the bills, compares, settles what is only missing here (by the functions that a callback uses, so in any race it counts once).
-- Says what became stale in the caches.
create function reconciliation_finish(p_run uuid, p_trade_sha1 text, p_fund_sha1 text, p_trade json, p_fund json) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v reconciliation_run;
	d record;
	v_found bigint := 0;
	v_settled bigint := 0;
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
		insert into reconciliation_difference (day, kind, subject, number, provider_id, ours_fen, theirs_fen, organization, note, first_run, last_run, settled_at)
		values (v.day, d.kind, d.subject, d.number, d.provider_id, d.ours_fen, d.theirs_fen, payment_exception_organization(d.number), d.note, p_run, p_run,
			case when v_outcome in ('SETTLED', 'ALREADY', 'SUCCESS') then now() end)
		on conflict on constraint reconciliation_difference_once do update
		set last_run = p_run, note = excluded.note, settled_at = coalesce(reconciliation_difference.settled_at, excluded.settled_at);
		v_found := v_found + 1;
		if v_outcome in ('SETTLED', 'ALREADY', 'SUCCESS') then
			v_settled := v_settled + 1;
			if v_settled <= 100 then
				v_tags := v_tags || coalesce(case d.subject when 'REFUND' then refund_tags(d.number) || ' '
					else (select concat('gift:', o.out_trade_no, ' campaign:', o.campaign_id, ' ') from pay_order o where o.out_trade_no = d.number) end, '');
			end if;
		end if;
	end loop;
	update reconciliation_run r
	set state = 'DONE', finished_at = now(), next_try_at = null, last_error = null, trade_sha1 = p_trade_sha1, fund_sha1 = p_fund_sha1,
		payments = s.payments, refunds = s.refunds, paid_fen = s.paid_fen, refunded_fen = s.refunded_fen, fee_milli_fen = s.fee_milli_fen,
		found = v_found, settled = v_settled
	from (select count(*) filter (where kind = 'PAYMENT') as payments, count(*) filter (where kind = 'REFUND') as refunds,
	             coalesce(sum(amount_fen) filter (where kind = 'PAYMENT'), 0)::bigint as paid_fen,
	             coalesce(sum(amount_fen) filter (where kind = 'REFUND'), 0)::bigint as refunded_fen, coalesce(sum(fee_milli_fen), 0)::bigint as fee_milli_fen
	      from bill_line where run_id = p_run and bill = 'TRADE') s
	where r.id = p_run;
	return case when v_settled > 0 then v_tags || 'campaigns summary' else '' end;
end $$;

-- OPEN: the last finished run of the day saw it and nobody has dealt with it. GONE: that run did not see it any more.
create function reconciliation_state(d reconciliation_difference) returns text
language sql stable security definer set search_path = donations, pg_temp as $$
	select case when exists (select from reconciliation_resolution r where r.difference_id = d.id) then 'RESOLVED'
	            when d.settled_at is not null then 'SETTLED'
	            when d.last_run = (select r.id from reconciliation_run r where r.day = d.day and r.state = 'DONE' order by r.finished_at desc, r.id desc limit 1) then 'OPEN'
	            else 'GONE' end
$$;

-- What was done about it, once; only about what is open.
create function reconciliation_resolve(p_id uuid, p_reason text, p_by uuid) returns reconciliation_resolution
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d reconciliation_difference;
	v reconciliation_resolution;
begin
	select * into d from reconciliation_difference where id = p_id for update;
	if d.id is null or not (case when d.organization is null then is_topmost() else current_kind() = 'staff' and in_my_organization(d.organization) end) then
		return null;
	end if;
	if reconciliation_state(d) not in ('OPEN', 'RESOLVED') then
		perform refuse('reconciliation_difference_closed', 'it is not open any more');
	end if;
	insert into reconciliation_resolution (difference_id, reason, resolved_by) values (p_id, p_reason, p_by) returning * into v;
	return v;
end $$;

create function reconciliation_matters() returns table (differences_open bigint, days_due bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select (select count(*) from reconciliation_difference d where d.settled_at is null and reconciliation_state(d) = 'OPEN'),
	       (select count(*) from reconciliation_run r where r.next_try_at is not null and r.attempts > 0)
$$;

alter table reconciliation_run enable row level security;
create policy reconciliation_run_staff on reconciliation_run for select using (is_topmost());
alter table reconciliation_difference enable row level security;
create policy reconciliation_difference_staff on reconciliation_difference for select using (case when organization is null then is_topmost()
	else current_kind() = 'staff' and in_my_organization(organization) end);
alter table reconciliation_resolution enable row level security;
create policy reconciliation_resolution_staff on reconciliation_resolution for select
	using (exists (select from reconciliation_difference d where d.id = difference_id));
grant select on reconciliation_run, reconciliation_difference, reconciliation_resolution to yg_donations;
revoke execute on function reconciliation_run_kept, reconciliation_last_day, is_topmost, reconciliation_start, reconciliation_take_due, reconciliation_fail,
	reconciliation_compare, bill_line_store, reconciliation_finish, reconciliation_state, reconciliation_resolve, reconciliation_matters from public;
grant execute on function is_topmost, reconciliation_last_day, reconciliation_start, reconciliation_take_due, reconciliation_fail, reconciliation_finish,
	reconciliation_state, reconciliation_resolve, reconciliation_matters to yg_donations;
