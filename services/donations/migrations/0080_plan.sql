-- Recurring gifts (长期捐赠人). There is no contract of deduction with WeChat: a due date makes an order, which the donor confirms with one
-- tap; one that nobody paid is a failure. The login role may read; every change is a function of the owner. Functions take the business
-- day as a parameter; those that the login role may call take today's.

create table plan (
	id uuid primary key,
	donor uuid not null,
	campaign_id uuid not null constraint plan_campaign references campaign (id),
	amount_fen bigint not null,
	unit text not null,
	every smallint not null,
	cycle_day smallint not null,   -- 31 is the last day of a shorter month
	installments smallint,         -- null: open
	start_on date not null,
	end_on date,
	disclosure text not null default 'ANONYMOUS',
	shown_name text,
	state text not null default 'ACTIVE',
	reason text,
	next_charge_on date,           -- the next due date
	due_on date,                   -- the due date that is asked for, or was last
	attempt smallint not null default 0,
	failure_count smallint not null default 0,
	retry_on date,
	open_gift uuid,                -- the order that waits for a tap
	recall boolean not null default false, -- its date was paid by another: take it back
	paid_count integer not null default 0,
	version integer not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	ended_at timestamptz,
	constraint plan_amount_positive check (amount_fen between 1 and 100000000000),
	constraint plan_unit_known check (unit in ('MONTH', 'QUARTER', 'YEAR')),
	constraint plan_cycle_range check (every between 1 and 12 and cycle_day between 1 and 31),
	constraint plan_installments_range check (installments between 1 and 600),
	constraint plan_period_order check (end_on >= start_on),
	constraint plan_disclosure_consistent check (case disclosure when 'ANONYMOUS' then shown_name is null when 'ALIAS' then shown_name is not null else false end),
	constraint plan_state_consistent check (case state
		when 'ACTIVE' then failure_count = 0 and num_nonnulls(retry_on, reason, ended_at) = 0 and num_nonnulls(next_charge_on, open_gift) > 0
		when 'FAILING' then failure_count between 1 and 5 and num_nonnulls(reason, ended_at) = 0 and num_nonnulls(retry_on, open_gift) = 1
		when 'PAUSED' then reason is not null and num_nonnulls(next_charge_on, retry_on, ended_at) = 0
		when 'ENDED' then num_nonnulls(reason, ended_at) = 2 and num_nonnulls(next_charge_on, retry_on) = 0
		else false end)
);
create index plan_by_donor on plan (donor, id);
create index plan_due on plan ((least(next_charge_on, retry_on))) where open_gift is null and state in ('ACTIVE', 'FAILING');
create index plan_unwanted on plan (open_gift) where open_gift is not null and (recall or state in ('PAUSED', 'ENDED'));
create trigger plan_kept before delete on plan for each row execute function append_only();

create function plan_before_update() returns trigger
language plpgsql as $$
begin
	if (new.id, new.donor, new.campaign_id, new.unit, new.every, new.cycle_day, new.installments, new.start_on, new.end_on, new.created_at)
		is distinct from (old.id, old.donor, old.campaign_id, old.unit, old.every, old.cycle_day, old.installments, old.start_on, old.end_on, old.created_at) then
		perform refuse('plan_fixed', 'of a plan only the amount changes');
	end if;
	if new.state <> old.state and (old.state, new.state) not in (('ACTIVE', 'FAILING'), ('FAILING', 'ACTIVE'), ('ACTIVE', 'PAUSED'), ('FAILING', 'PAUSED'),
		('PAUSED', 'ACTIVE'), ('ACTIVE', 'ENDED'), ('FAILING', 'ENDED'), ('PAUSED', 'ENDED')) then
		perform refuse('plan_transition', format('%s to %s', old.state, new.state));
	end if;
	new.version := old.version + 1;
	new.updated_at := now();
	return new;
end $$;
create trigger plan_before_update before update on plan for each row execute function plan_before_update();

-- The orders of a plan: each day one at most, each due date paid once at most, one open at most.
create table plan_gift (
	plan_id uuid not null constraint plan_gift_plan references plan (id),
	asked_on date not null,
	due_on date not null,
	attempt smallint not null,
	gift_id uuid not null constraint plan_gift_once unique,
	amount_fen bigint not null,
	state text not null default 'OPEN',
	constraint plan_asked_once primary key (plan_id, asked_on),
	constraint plan_attempt_once unique (plan_id, due_on, attempt),
	constraint plan_gift_dates check (asked_on >= due_on and attempt >= 1),
	-- EXTRA: money that came late, after another order had been paid for the same date: booked, and for staff to look at
	constraint plan_gift_state_known check (state in ('OPEN', 'PAID', 'MISSED', 'EXTRA'))
);
create unique index plan_due_paid_once on plan_gift (plan_id, due_on) where state = 'PAID';
create unique index plan_order_open_once on plan_gift (plan_id) where state = 'OPEN';
create trigger plan_gift_kept before delete on plan_gift for each row execute function append_only();
create function plan_gift_before_update() returns trigger
language plpgsql as $$
begin
	if (new.plan_id, new.asked_on, new.due_on, new.attempt, new.gift_id, new.amount_fen) is distinct from
		(old.plan_id, old.asked_on, old.due_on, old.attempt, old.gift_id, old.amount_fen)
		or (old.state, new.state) not in (('OPEN', 'PAID'), ('OPEN', 'MISSED'), ('OPEN', 'EXTRA'), ('MISSED', 'PAID'), ('MISSED', 'EXTRA')) then
		perform refuse('plan_gift_fixed', 'what a plan asked for never changes');
	end if;
	return new;
end $$;
create trigger plan_gift_before_update before update on plan_gift for each row execute function plan_gift_before_update();

alter table gift add column plan_id uuid;
create function gift_plan_fixed() returns trigger
language plpgsql as $$
begin
	perform refuse('gift_fixed', 'the plan of a gift never changes');
	return null;
end $$;
create trigger gift_plan_fixed before update on gift
	for each row when (new.plan_id is distinct from old.plan_id) execute function gift_plan_fixed();

-- A donor may think for a day: what WeChat gave an order is good for two hours, so it has to be asked anew.
alter table pay_order add column ordered_at timestamptz;
create or replace function order_placed(p_out_trade_no text, p_prepay_id text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_state text;
begin
	select state into v_state from pay_order where out_trade_no = p_out_trade_no for update;
	if v_state in ('CREATED', 'ORDERED') then
		-- one that waits for its end is followed from now on
		update pay_order set state = 'ORDERED', prepay_id = p_prepay_id, ordered_at = now(), next_check_at = least(next_check_at, now() + interval '1 minute')
		where out_trade_no = p_out_trade_no;
		v_state := 'ORDERED';
	end if;
	return v_state;
end $$;

-- A public code, as common/core makes them: fifteen symbols by chance and their check symbol (Luhn modulo 32).
create function public_code_of(chance bytea) returns text
language plpgsql immutable as $$
declare
	symbols constant text := '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
	code text := '';
	total integer := 0;
	v integer;
begin
	for i in 0..14 loop
		v := get_byte(chance, i) & 31;
		code := code || substr(symbols, v + 1, 1);
		v := v * (1 + (i + 1) % 2); -- the last of the fifteen is doubled
		total := total + v / 32 + v % 32;
	end loop;
	return code || substr(symbols, (32 - total % 32) % 32 + 1, 1);
end $$;
create function public_code_new() returns text -- for orders that a job makes
language sql volatile as $$ select public_code_of(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))) $$;

create function business_day() returns date
language sql stable as $$ select (now() at time zone 'Asia/Shanghai')::date $$;

-- Due dates: every so many months from the month of the start, on the day, or the last day of a shorter month.
create function plan_date(p plan, k integer) returns date
language sql immutable as $$
	select least(m + p.cycle_day - 1, (m + interval '1 month')::date - 1)
	from (select (date_trunc('month', p.start_on) + make_interval(months => k * p.every * case p.unit when 'MONTH' then 1 when 'QUARTER' then 3 else 12 end))::date as m) x
$$;
create function plan_cycle(p plan, p_on date) returns integer
language sql immutable as $$
	select floor(((extract(year from p_on) - extract(year from p.start_on)) * 12 + extract(month from p_on) - extract(month from p.start_on))
		/ (p.every * case p.unit when 'MONTH' then 1 when 'QUARTER' then 3 else 12 end))::integer
$$;
-- The first due date after a day; null when the plan's end lies before it.
create function plan_next_on(p plan, p_after date) returns date
language sql immutable as $$
	select min(d) from (select plan_date(p, k) as d from generate_series(greatest(plan_cycle(p, p_after), 0), greatest(plan_cycle(p, p_after), 0) + 2) k) x
	where d > p_after and d >= p.start_on and (p.end_on is null or d <= p.end_on)
$$;
-- The last due date up to a day.
create function plan_due_on(p plan, p_on date) returns date
language sql immutable as $$
	select max(d) from (select plan_date(p, k) as d from generate_series(plan_cycle(p, p_on) - 1, plan_cycle(p, p_on)) k) x where d <= p_on and d >= p.start_on and (p.end_on is null or d <= p.end_on)
$$;

create function plan_tell(p plan, p_what text, p_more json) returns void
language sql volatile security definer set search_path = donations, pg_temp as $$
	insert into outbox (type, subject, payload)
	values ('plan.' || p_what, p.id, (jsonb_build_object('plan_id', p.id, 'campaign_id', p.campaign_id, 'state', p.state) || coalesce(p_more::jsonb, '{}'))::json)
$$;

-- Makes the orders of plans that are due, many at once, each once under any number of processes. A date that nobody asked for in time is
-- left out when a later one is due. An order may be paid until the retry day begins.
create function plan_orders_make_on(p_today date, p_limit integer) returns bigint
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_ids uuid[];
	v_made bigint;
begin
	select array_agg(id) into v_ids from (select id from plan where least(next_charge_on, retry_on) <= p_today and open_gift is null
		and state in ('ACTIVE', 'FAILING') order by least(next_charge_on, retry_on) limit least(p_limit, 1000) for update skip locked) d;
	if v_ids is null then
		return 0;
	end if;
	-- no gift is taken any more: the plan ends; not just now, or not this amount: it waits for the donor
	with judged as (
		select p.id, case when c.state in ('CLOSED', 'REPORTED') or p_today > c.ends_on then 'CAMPAIGN_ENDED'
		                  when t.id is null or p.amount_fen not between t.min_gift_fen and t.max_gift_fen then 'CAMPAIGN_NOT_TAKING' end as reason
		from plan p join campaign c on c.id = p.campaign_id left join campaign_taking_gifts t on t.id = c.id
		where p.id = any (v_ids)
	), stopped as (
		update plan p set state = case j.reason when 'CAMPAIGN_ENDED' then 'ENDED' else 'PAUSED' end, reason = j.reason, next_charge_on = null, retry_on = null,
			failure_count = 0, ended_at = case j.reason when 'CAMPAIGN_ENDED' then now() end
		from judged j where j.id = p.id and j.reason is not null
		returning p as it
	)
	select count(plan_tell(it, lower((it).state), json_build_object('reason', (it).reason))) into v_made from stopped;
	with asked as materialized (
		select p.id, p.donor, p.campaign_id, p.amount_fen, p.disclosure, p.shown_name, uuid7_new() as gift_id, public_code_new() as code,
		       case when p.next_charge_on <= p_today then plan_due_on(p, p_today) else p.due_on end as due_on,
		       case when p.next_charge_on <= p_today then 1 else p.attempt + 1 end as attempt,
		       case when p.next_charge_on <= p_today then plan_next_on(p, p_today) else p.next_charge_on end as next_charge_on,
		       (p_today + 2)::timestamp at time zone 'Asia/Shanghai' as expires_at
		from plan p where p.id = any (v_ids) and p.state in ('ACTIVE', 'FAILING')
	), given as (
		insert into gift (id, public_code, campaign_id, donor, amount_fen, channel, disclosure, shown_name, plan_id)
		select gift_id, code, campaign_id, donor, amount_fen, 'WECHAT_JSAPI', disclosure, shown_name, id from asked
	), ordered as (
		insert into pay_order (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at)
		select code, gift_id, campaign_id, amount_fen, 'WECHAT_JSAPI', expires_at, expires_at from asked
	), noted as (
		insert into plan_gift (plan_id, asked_on, due_on, attempt, gift_id, amount_fen) select id, p_today, due_on, attempt, gift_id, amount_fen from asked
	), moved as (
		update plan p set open_gift = a.gift_id, due_on = a.due_on, attempt = a.attempt, next_charge_on = a.next_charge_on, retry_on = null
		from asked a where a.id = p.id
	), told as (
		insert into outbox (type, subject, payload)
		select 'plan.due', id, json_build_object('plan_id', id, 'campaign_id', campaign_id, 'gift_id', gift_id, 'amount_fen', amount_fen,
			'due_on', due_on, 'attempt', attempt, 'expires_at', rfc3339(expires_at)) from asked
	)
	select count(*) into v_made from asked;
	return v_made;
end $$;

-- Orders that are not wanted any more (the plan stopped, or its date was paid by another) end now; the job that follows orders closes
-- them at WeChat first. Taken order by order, since an order is locked before its plan everywhere.
create function plan_orders_recall(p_limit integer) returns bigint
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_count bigint;
begin
	with unwanted as (
		select o.out_trade_no
		from plan p join gift g on g.id = p.open_gift join pay_order o on o.out_trade_no = g.public_code
		where p.open_gift is not null and (p.recall or p.state in ('PAUSED', 'ENDED')) and o.state in ('CREATED', 'ORDERED') and o.expires_at > now()
		limit p_limit for update of o skip locked
	)
	update pay_order o set expires_at = now(), next_check_at = now() from unwanted u where u.out_trade_no = o.out_trade_no;
	get diagnostics v_count = row_count;
	return v_count;
end $$;

create function plan_orders_make() returns bigint
language sql volatile security definer set search_path = donations, pg_temp as $$
	select plan_orders_recall(500) + plan_orders_make_on(business_day(), 500)
$$;

-- What became of an order. Six failures in a row pause the plan; a payment forgets them.
create function plan_gift_settled() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p plan;
	a plan_gift;
	v_paid boolean;
begin
	select * into p from plan where id = new.plan_id for update;
	select * into a from plan_gift where gift_id = new.id;
	v_paid := exists (select from plan_gift where plan_id = p.id and due_on = a.due_on and state = 'PAID');
	update plan_gift set state = case when new.state = 'CLOSED' then 'MISSED' when v_paid then 'EXTRA' else 'PAID' end where gift_id = new.id;
	if p.open_gift = new.id then
		p.open_gift := null;
		p.recall := false;
	elsif new.state = 'PAID' and p.due_on = a.due_on then
		p.recall := p.open_gift is not null;
	end if;
	if new.state = 'PAID' and not v_paid then
		p.paid_count := p.paid_count + 1;
		if p.state in ('ACTIVE', 'FAILING') then
			if p.due_on = a.due_on then -- late money for an older date says nothing of the one that is asked for now
				p.failure_count := 0;
				p.retry_on := null;
				p.state := 'ACTIVE';
			end if;
			if p.paid_count >= p.installments or num_nonnulls(p.open_gift, p.next_charge_on, p.retry_on) = 0 then
				p.state := 'ENDED';
				p.reason := 'COMPLETED';
			end if;
		end if;
	elsif new.state = 'CLOSED' and not v_paid and p.state in ('ACTIVE', 'FAILING') then
		p.failure_count := p.failure_count + 1;
		p.state := case when p.failure_count >= 6 then 'PAUSED' else 'FAILING' end;
		p.retry_on := case when p.failure_count < 6 then a.asked_on + 2 end;
		p.reason := case when p.failure_count >= 6 then 'FAILED' end;
	elsif p.state in ('ACTIVE', 'FAILING') and num_nonnulls(p.open_gift, p.next_charge_on, p.retry_on) = 0 then
		p.state := 'ENDED'; -- the last date was paid by another of its orders
		p.reason := 'COMPLETED';
	end if;
	if p.state in ('PAUSED', 'ENDED') then
		p.next_charge_on := null;
		p.retry_on := null;
	end if;
	update plan set open_gift = p.open_gift, recall = p.recall, paid_count = p.paid_count, failure_count = p.failure_count, retry_on = p.retry_on, state = p.state, reason = p.reason,
		next_charge_on = p.next_charge_on, ended_at = case when p.state = 'ENDED' then coalesce(p.ended_at, now()) end where id = p.id;
	if new.state = 'PAID' and v_paid then
		perform plan_tell(p, 'paid_twice', json_build_object('gift_id', new.id, 'due_on', a.due_on));
	elsif new.state = 'CLOSED' and not v_paid and p.state = 'FAILING' then
		perform plan_tell(p, 'missed', json_build_object('gift_id', new.id, 'due_on', a.due_on, 'retry_on', p.retry_on));
	elsif new.state = 'CLOSED' and p.reason = 'FAILED' and a.state = 'OPEN' then
		perform plan_tell(p, 'paused', json_build_object('reason', p.reason, 'due_on', a.due_on));
	elsif p.state = 'ENDED' and p.ended_at is null then
		perform plan_tell(p, 'ended', json_build_object('reason', p.reason));
	end if;
	return null;
end $$;
create trigger plan_gift_settled after update on gift
	for each row when (new.plan_id is not null and new.state <> old.state and new.state in ('PAID', 'CLOSED')) execute function plan_gift_settled();

-- The donor's own, locked, in one of the states.
create function plan_take(p_id uuid, variadic p_states text[]) returns plan
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p plan;
begin
	select * into p from plan where id = p_id and current_kind() = 'citizen' and donor = current_subject() for update;
	if p.id is null then
		perform refuse('plan_unknown', 'the caller has no such plan');
	elsif p.state <> all (p_states) then
		perform refuse('plan_transition', p.state);
	end if;
	return p;
end $$;

-- The campaign takes this amount, now.
create function plan_fits(p_campaign uuid, p_amount_fen bigint) returns void
language plpgsql stable security definer set search_path = donations, pg_temp as $$
declare
	c campaign;
begin
	select * into c from campaign where id = p_campaign and state <> 'DRAFT';
	perform refuse(why, 'the campaign does not take it') from (select case when c.id is null then 'campaign_not_found'
		when not exists (select from campaign_taking_gifts where id = c.id) then 'campaign_not_open'
		when p_amount_fen < c.min_gift_fen then 'amount_below_minimum'
		when p_amount_fen > c.max_gift_fen then 'amount_above_maximum' end as why) x where why is not null;
end $$;

create function plan_create_on(p_id uuid, p_donor uuid, p_campaign uuid, p_amount_fen bigint, p_unit text, p_every smallint, p_cycle_day smallint, p_installments smallint,
	p_start_on date, p_end_on date, p_alias text, p_today date) returns plan
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p plan;
begin
	perform plan_fits(p_campaign, p_amount_fen);
	if p_start_on < p_today then
		perform refuse('plan_start_past', 'a plan does not begin in the past');
	end if;
	if (select count(*) from plan where donor = p_donor and state <> 'ENDED') >= 20 then
		perform refuse('plan_too_many', 'twenty plans at once');
	end if;
	p.start_on := coalesce(p_start_on, p_today);
	p.end_on := p_end_on;
	p.unit := coalesce(p_unit, 'MONTH');
	p.every := coalesce(p_every, 1);
	p.cycle_day := coalesce(p_cycle_day, extract(day from p.start_on));
	if plan_next_on(p, p.start_on - 1) is null then
		perform refuse('plan_over', 'no due date before the end');
	end if;
	insert into plan (id, donor, campaign_id, amount_fen, unit, every, cycle_day, installments, start_on, end_on, disclosure, shown_name, next_charge_on)
	values (p_id, p_donor, p_campaign, p_amount_fen, p.unit, p.every, p.cycle_day, p_installments, p.start_on, p.end_on,
		case when p_alias is null then 'ANONYMOUS' else 'ALIAS' end, p_alias, plan_next_on(p, p.start_on - 1)) returning * into p;
	perform plan_tell(p, 'created', json_build_object('amount_fen', p.amount_fen, 'next_charge_on', p.next_charge_on));
	return p;
end $$;
create function plan_create(p_id uuid, p_campaign uuid, p_amount_fen bigint, p_unit text, p_every smallint, p_cycle_day smallint, p_installments smallint,
	p_start_on date, p_end_on date, p_alias text) returns plan
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if current_kind() <> 'citizen' or current_subject() is null then
		perform refuse('plan_unknown', 'a plan is a person''s own');
	end if;
	return plan_create_on(p_id, current_subject(), p_campaign, p_amount_fen, p_unit, p_every, p_cycle_day, p_installments, p_start_on, p_end_on, p_alias, business_day());
end $$;

create function plan_pause(p_id uuid) returns plan
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p plan := plan_take(p_id, 'ACTIVE', 'FAILING');
begin
	update plan set state = 'PAUSED', reason = 'DONOR', next_charge_on = null, retry_on = null where id = p_id returning * into p;
	perform plan_tell(p, 'paused', json_build_object('reason', p.reason));
	return p;
end $$;

create function plan_end(p_id uuid) returns plan
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p plan := plan_take(p_id, 'ACTIVE', 'FAILING', 'PAUSED');
begin
	update plan set state = 'ENDED', reason = 'DONOR', next_charge_on = null, retry_on = null, ended_at = now() where id = p_id returning * into p;
	perform plan_tell(p, 'ended', json_build_object('reason', p.reason));
	return p;
end $$;

-- Goes on with the first due date from today on; what was missed is not asked for again. An order that is still open is recalled first.
create function plan_resume_on(p_id uuid, p_today date) returns plan
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p plan := plan_take(p_id, 'PAUSED');
	v_next date;
begin
	if p.open_gift is not null then
		perform refuse('plan_order_open', 'the last order is not closed yet');
	end if;
	perform plan_fits(p.campaign_id, p.amount_fen);
	-- not the day that an order was made on already
	v_next := plan_next_on(p, greatest(p_today - 1, (select max(due_on) from plan_gift where plan_id = p_id), (select max(asked_on) from plan_gift where plan_id = p_id)));
	if v_next is null or p.paid_count >= p.installments then
		perform refuse('plan_over', 'no due date before the end');
	end if;
	update plan set state = 'ACTIVE', reason = null, failure_count = 0, next_charge_on = v_next where id = p_id returning * into p;
	perform plan_tell(p, 'resumed', json_build_object('next_charge_on', v_next));
	return p;
end $$;
create function plan_resume(p_id uuid) returns plan
language sql volatile security definer set search_path = donations, pg_temp as $$ select plan_resume_on(p_id, business_day()) $$;

-- Another amount, from the next order on. Null: the version is another.
create function plan_change(p_id uuid, p_amount_fen bigint, p_version text) returns plan
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p plan := plan_take(p_id, 'ACTIVE', 'FAILING', 'PAUSED');
begin
	if p_version not in (p.version::text, '*') then
		return null;
	end if;
	perform plan_fits(p.campaign_id, p_amount_fen);
	update plan set amount_fen = p_amount_fen where id = p_id returning * into p;
	perform plan_tell(p, 'changed', json_build_object('amount_fen', p.amount_fen));
	return p;
end $$;

create function plan_gifts(p_id uuid) returns json
language sql volatile as $$
	select coalesce(json_agg(json_build_object('gift_id', gift_id, 'due_on', due_on, 'asked_on', asked_on, 'attempt', attempt, 'amount_fen', amount_fen, 'state', state)
		order by asked_on desc), '[]') from (select * from plan_gift where plan_id = p_id order by asked_on desc limit 24) x
$$;

alter table plan enable row level security;
create policy plan_own on plan for select using (current_kind() = 'citizen' and donor = current_subject());
alter table plan_gift enable row level security;
create policy plan_gift_own on plan_gift for select using (exists (select from plan p where p.id = plan_id));
grant select on plan, plan_gift to yg_donations;
revoke execute on function plan_before_update, plan_gift_before_update, gift_plan_fixed, public_code_of, public_code_new, business_day, plan_date, plan_cycle, plan_next_on,
	plan_due_on, plan_tell, plan_orders_make_on, plan_orders_recall, plan_orders_make, plan_gift_settled, plan_take, plan_fits, plan_create_on, plan_create, plan_pause,
	plan_end, plan_resume_on, plan_resume, plan_change, plan_gifts from public;
grant execute on function plan_orders_make, plan_create, plan_pause, plan_end, plan_resume, plan_change, plan_gifts, gift_plan_fixed, business_day to yg_donations;
