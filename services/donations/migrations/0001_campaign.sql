-- Campaigns (公开募捐活动): what the law wants filed, and the states DRAFT → FILED → OPEN → CLOSED → REPORTED.
-- A constraint's name is the slug of the problem it means.

-- Refusal of a rule that no plain constraint can hold; the name given is what clients see.
create function refuse(p_constraint text, p_message text) returns void
language plpgsql as $$
begin
	raise exception using errcode = 'check_violation', constraint = p_constraint, message = p_message;
end $$;

-- Instants inside JSON that SQL builds, written as the row writer writes them.
create function rfc3339(p_at timestamptz) returns text
language sql stable strict parallel safe as $$
	select rtrim(rtrim(to_char(p_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || '+08:00'
$$;

create table campaign (
	id uuid primary key,
	organization text not null,
	title text not null,
	summary text,
	contact_phone text,
	-- the filed plan (慈善法; 公开募捐方案)
	purpose text,
	starts_on date,
	ends_on date,
	area text,
	person_in_charge text,
	office_address text,
	how_to_give text,
	bank_holder text,
	bank_name text,
	bank_account text,
	beneficiaries text,
	use_plan text,
	cost_cap_fen bigint,
	surplus_rule text,
	-- the filing itself
	certificate_no text,
	platform_url text,
	filing_no text,
	filed_on date,
	emergency_late boolean not null default false,
	-- money
	goal_fen bigint,
	min_gift_fen bigint not null default 100,
	max_gift_fen bigint not null default 500000000,
	-- life
	state text not null default 'DRAFT',
	version integer not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	updated_by uuid,
	opened_at timestamptz,
	closed_at timestamptz,
	close_reason text,
	reported_at timestamptz,
	report text,
	report_url text,
	constraint campaign_filing_number_taken unique (filing_no),
	constraint campaign_organization_path check (organization ~ '^[0-9]{2,12}(/[0-9]{2,12}){0,4}$'),
	constraint campaign_state_known check (state in ('DRAFT', 'FILED', 'OPEN', 'CLOSED', 'REPORTED')),
	constraint campaign_period_order check (ends_on >= starts_on),
	constraint campaign_gift_limits check (min_gift_fen between 1 and max_gift_fen and max_gift_fen <= 100000000000),
	constraint campaign_goal_positive check (goal_fen between 1 and 10000000000000),
	constraint campaign_cost_cap_range check (cost_cap_fen between 0 and coalesce(goal_fen, 10000000000000)),
	constraint campaign_filing_pair check ((filing_no is null) = (filed_on is null)),
	-- every field of the plan, from FILED on
	constraint campaign_filing_incomplete check (state = 'DRAFT' or num_nulls(purpose, starts_on, ends_on, area,
		person_in_charge, office_address, how_to_give, bank_holder, bank_name, bank_account, beneficiaries, use_plan,
		cost_cap_fen, surplus_rule, certificate_no, platform_url, contact_phone) = 0),
	-- only a major emergency may take gifts before the filing is in, and only while OPEN
	constraint campaign_filing_missing check (state = 'DRAFT' or filing_no is not null or (state = 'OPEN' and emergency_late)),
	-- ten days before the start; in a major emergency up to ten days after it
	constraint campaign_filing_late check (filed_on <= starts_on - 10 or (emergency_late and filed_on <= starts_on + 10))
);
create index campaign_newest on campaign (created_at desc, id desc);

-- Append-only history. `changed` holds the names of the columns, not their values.
create table campaign_event (
	seq bigint generated always as identity primary key,
	campaign_id uuid not null constraint campaign_event_campaign references campaign (id),
	version integer not null,
	state text not null,
	changed text[] not null,
	actor uuid,
	recorded_at timestamptz not null default now(),
	constraint campaign_event_version_once unique (campaign_id, version)
);

create function campaign_before_update() returns trigger
language plpgsql as $$
begin
	if new.id <> old.id or new.organization <> old.organization or new.created_at <> old.created_at then
		perform refuse('campaign_identity_fixed', 'id, organization and created_at never change');
	end if;
	if new.state <> old.state and (old.state, new.state) not in (
		('DRAFT', 'FILED'), ('FILED', 'OPEN'), ('OPEN', 'CLOSED'), ('CLOSED', 'REPORTED')) and not
		(old.state = 'DRAFT' and new.state = 'OPEN' and new.emergency_late) then
		perform refuse('campaign_transition', format('%s to %s', old.state, new.state));
	end if;
	-- what was filed, or shown to donors, stays as it was: another plan is another filing
	if old.state <> 'DRAFT' and (new.purpose, new.starts_on, new.ends_on, new.area, new.person_in_charge,
		new.office_address, new.how_to_give, new.bank_holder, new.bank_name, new.bank_account, new.beneficiaries,
		new.use_plan, new.cost_cap_fen, new.surplus_rule, new.certificate_no, new.emergency_late, new.goal_fen)
		is distinct from (old.purpose, old.starts_on, old.ends_on, old.area, old.person_in_charge,
		old.office_address, old.how_to_give, old.bank_holder, old.bank_name, old.bank_account, old.beneficiaries,
		old.use_plan, old.cost_cap_fen, old.surplus_rule, old.certificate_no, old.emergency_late, old.goal_fen) then
		perform refuse('campaign_filing_frozen', 'the filed plan cannot change');
	end if;
	if old.filing_no is not null and new.filing_no is distinct from old.filing_no then
		perform refuse('campaign_filing_frozen', 'the filing number cannot change');
	end if;
	if old.state in ('CLOSED', 'REPORTED') and new.state = old.state then
		perform refuse('campaign_closed_frozen', 'a closed campaign cannot change');
	end if;
	new.version := old.version + 1;
	new.updated_at := now();
	new.opened_at := case when new.state = 'OPEN' and old.state <> 'OPEN' then now() else old.opened_at end;
	new.closed_at := case when new.state = 'CLOSED' and old.state <> 'CLOSED' then now() else old.closed_at end;
	new.reported_at := case when new.state = 'REPORTED' then now() else old.reported_at end;
	return new;
end $$;
create trigger campaign_before_update before update on campaign
	for each row execute function campaign_before_update();

-- A campaign begins as a draft. (The owner may load history: see deploy/local/demo.)
create function campaign_before_insert() returns trigger
language plpgsql as $$
begin
	if new.state <> 'DRAFT' or new.version <> 1 then
		perform refuse('campaign_transition', 'a campaign begins as DRAFT, version 1');
	end if;
	return new;
end $$;
create trigger campaign_before_insert before insert on campaign
	for each row execute function campaign_before_insert();

create function campaign_record_event() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	was json := case when tg_op = 'UPDATE' then to_json(old) end;
	is_now json := to_json(new);
begin
	insert into campaign_event (campaign_id, version, state, changed, actor)
	select new.id, new.version, new.state,
	       coalesce(array_agg(key order by key) filter (where value is distinct from was ->> key
	           and key not in ('version', 'updated_at', 'updated_by')), '{}'), new.updated_by
	from json_each_text(is_now);
	return null;
end $$;
create trigger campaign_record_event after insert or update on campaign
	for each row execute function campaign_record_event();

-- For tables whose rows are history.
create function append_only() returns trigger
language plpgsql as $$
begin
	perform refuse('append_only', format('%s is append-only', tg_table_name));
	return null;
end $$;
create trigger campaign_event_append_only before update or delete on campaign_event
	for each row execute function append_only();
-- Gifts refer to campaigns without a foreign key (see README): therefore none is ever deleted.
create trigger campaign_kept before delete on campaign
	for each row execute function append_only();
