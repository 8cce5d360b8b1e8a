-- Making funds other than appeals: proposed by one, opened by another, ended when empty. What a fund is (its terms) never changes.

alter table fund
	add column state text not null default 'OPEN',
	add column purpose text,
	add column founder text,       -- of a named fund: how the founder is called in public
	add column founder_party uuid,
	add column minimum_fen bigint, -- of a named fund: what its instalments come to at least
	add column starts_on date,
	add column ends_on date,
	add column delegated_fen bigint, -- of a township's: up to this much its own staff approve alone
	add column bank_holder text,   -- where gifts are transferred to
	add column bank_name text,
	add column bank_account text,
	add column proposed_by uuid,
	add column proposed_at timestamptz,
	add column opened_by uuid,
	add column opened_at timestamptz,
	add column ended_by uuid,
	add column ended_at timestamptz,
	add column reason text;        -- why it was refused or ended
alter table fund drop constraint fund_appeal_campaign,
	-- an appeal's is its campaign; another fund that takes gifts has a giving target, whose id is the fund's
	add constraint fund_appeal_campaign check (case kind when 'APPEAL' then campaign_id is not null else coalesce(campaign_id = id, true) end),
	add constraint fund_state_consistent check (case state
		when 'PROPOSED' then proposed_by is not null and opened_at is null and ended_at is null
		when 'OPEN' then ended_at is null and (proposed_by is null) = (opened_by is null) -- those of campaigns and goods are nobody's proposal
		when 'REFUSED' then opened_at is null and num_nulls(ended_by, ended_at, reason) = 0
		when 'ENDED' then num_nulls(proposed_by, opened_by, ended_by, ended_at, reason) = 0 else false end),
	add constraint fund_own check (opened_by <> proposed_by),
	add constraint fund_named_terms check ((kind = 'NAMED') = (num_nonnulls(founder, minimum_fen) = 2) and (kind <> 'NAMED' or source = 'DONATION')
		and (kind = 'NAMED' or num_nonnulls(founder, founder_party, minimum_fen) = 0)),
	add constraint fund_founder_form check (founder !~ '[0-9]{5}'), -- no telephone, no identity card: it goes into the public log
	add constraint fund_minimum_positive check (minimum_fen > 0),
	add constraint fund_term_order check (ends_on > starts_on),
	add constraint fund_township_unit check (kind <> 'TOWNSHIP' or position('/' in organization) > 0),
	add constraint fund_delegation check (case when kind = 'TOWNSHIP' then delegated_fen is not null and delegated_fen >= 0 else delegated_fen is null end),
	add constraint fund_purpose_given check (kind not in ('EARMARKED', 'NAMED') or proposed_by is null or purpose is not null),
	add constraint fund_bank_whole check (num_nulls(bank_holder, bank_name, bank_account) in (0, 3));
create unique index fund_unrestricted_once on fund (organization, source) where kind = 'UNRESTRICTED' and state in ('PROPOSED', 'OPEN');

create table fund_instalment (
	fund_id uuid not null constraint fund_instalment_fund references fund (id),
	no smallint not null,
	due_on date not null,
	amount_fen bigint not null,
	constraint fund_instalment_once primary key (fund_id, no),
	constraint fund_instalment_amount check (amount_fen > 0)
);
create trigger fund_instalment_append_only before update or delete on fund_instalment for each row execute function append_only();

-- Purposes that gifts to it may name.
create table fund_earmark (
	fund_id uuid not null constraint fund_earmark_fund references fund (id),
	code text not null constraint fund_earmark_form check (code ~ '^[a-z][0-9a-z-]{1,29}$'),
	name text not null,
	constraint fund_earmark_once primary key (fund_id, code)
);
create trigger fund_earmark_append_only before update or delete on fund_earmark for each row execute function append_only();

create or replace function fund_account() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_changes text[] := array['name', 'state', 'opened_by', 'opened_at', 'ended_by', 'ended_at', 'reason', 'founder', 'founder_party'];
begin
	if tg_op = 'INSERT' then
		insert into account (name, kind, side) values ('fund:' || new.code, 'fund', -1);
	elsif to_jsonb(new) - v_changes <> to_jsonb(old) - v_changes
		or ((new.founder, new.founder_party) is distinct from (old.founder, old.founder_party) and (new.founder, new.founder_party) is distinct from ('匿名', null::uuid)) then
		perform refuse('fund_fixed', 'the terms of a fund do not change');
	elsif new.state <> old.state and (old.state, new.state) not in (('PROPOSED', 'OPEN'), ('PROPOSED', 'REFUSED'), ('OPEN', 'ENDED')) then
		perform refuse('fund_transition', format('%s to %s', old.state, new.state));
	end if;
	return null;
end $$;

-- A founder who is erased is called so no more. The leaf has never had the name.
create function fund_founder_erased() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	update fund set founder = '匿名', founder_party = null where founder_party = new.id;
	return null;
end $$;
create trigger fund_founder_erased after update on party for each row when (old.erased_at is null and new.erased_at is not null) execute function fund_founder_erased();

-- ── where gifts to it go ──
-- A gift is for a campaign, or for a giving target that stands for a fund: a row of the same table, so that nothing on a gift's way from the
-- promise to its story has a second kind of thing to look for. It has no filing and no clock of disclosure, and no statement for campaigns
-- shows or changes it.
alter table campaign add column fund_code text constraint campaign_fund_code references fund (code);
alter table campaign drop constraint campaign_filing_incomplete, drop constraint campaign_filing_missing;
alter table campaign add constraint campaign_filing_incomplete check (state = 'DRAFT' or fund_code is not null or num_nulls(purpose, starts_on, ends_on, area,
		person_in_charge, office_address, how_to_give, bank_holder, bank_name, bank_account, beneficiaries, use_plan,
		cost_cap_fen, surplus_rule, certificate_no, platform_url, contact_phone) = 0),
	add constraint campaign_filing_missing check (state = 'DRAFT' or fund_code is not null or filing_no is not null or (state = 'OPEN' and emergency_late));
create or replace view campaign_taking_gifts as
select id, min_gift_fen, max_gift_fen
from campaign
where state = 'OPEN'
  and (now() at time zone 'Asia/Shanghai')::date between starts_on and ends_on
  and (fund_code is not null or filing_no is not null or (now() at time zone 'Asia/Shanghai')::date <= starts_on + 10);

drop trigger campaign_before_insert on campaign;
create trigger campaign_before_insert before insert on campaign
	for each row when (new.fund_code is null) execute function campaign_before_insert();
drop trigger campaign_fund on campaign;
create trigger campaign_fund after insert on campaign for each row when (new.fund_code is null) execute function campaign_fund();
drop trigger campaign_told_new on campaign;
create trigger campaign_told_new after insert on campaign for each row when (new.state <> 'DRAFT' and new.fund_code is null) execute function campaign_told();
drop trigger campaign_told on campaign;
create trigger campaign_told after update on campaign for each row
	when (new.state <> 'DRAFT' and new.fund_code is null
		and (old.state, old.title, old.organization, old.starts_on, old.ends_on, old.filed_on, old.closed_at, old.reported_at)
		is distinct from (new.state, new.title, new.organization, new.starts_on, new.ends_on, new.filed_on, new.closed_at, new.reported_at))
	execute function campaign_told();
create function campaign_target_fixed() returns trigger
language plpgsql as $$
begin
	perform refuse('fund_fixed', 'a giving target stays its fund''s');
	return null;
end $$;
create trigger campaign_target_fixed before update on campaign for each row
	when (new.fund_code is distinct from old.fund_code or (old.fund_code is not null and (new.starts_on, new.ends_on, new.bank_account, new.min_gift_fen, new.max_gift_fen)
		is distinct from (old.starts_on, old.ends_on, old.bank_account, old.min_gift_fen, old.max_gift_fen)))
	execute function campaign_target_fixed();

drop policy campaign_staff_insert on campaign;
create policy campaign_staff_insert on campaign for insert with check (current_kind() = 'staff' and in_my_organization(organization) and fund_code is null);
drop policy campaign_staff_update on campaign;
create policy campaign_staff_update on campaign for update using (current_kind() = 'staff' and in_my_organization(organization) and fund_code is null);

-- ── proposing, opening, ending ──
-- A named fund is called by its code in the log: its name may be somebody's, and nothing can be taken back there.
create function fund_leaf(f fund, p_what text, p_at timestamptz) returns uuid
language sql volatile security definer set search_path = donations, pg_temp as $$
	select outbox_leaf('fund.' || p_what, f.id::text, json_build_object('fund_id', f.id, 'code', f.code), 'fund.' || p_what, f.code, p_at,
		json_build_object('kind', f.kind, 'source', f.source, 'name', case when f.kind <> 'NAMED' then f.name end, 'purpose', f.purpose, 'minimum_fen', f.minimum_fen,
			'starts_on', f.starts_on, 'ends_on', f.ends_on, 'delegated_fen', f.delegated_fen, 'reason', f.reason))
$$;

create function fund_propose(p_id uuid, p_code text, p_kind text, p_source text, p_name text, p_organization text, p_purpose text, p_founder text, p_founder_party uuid,
	p_minimum_fen bigint, p_starts_on date, p_ends_on date, p_delegated_fen bigint, p_bank_holder text, p_bank_name text, p_bank_account text,
	p_instalments json, p_earmarks json, p_by uuid) returns fund
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund;
begin
	if not in_my_organization(p_organization) then
		perform refuse('fund_organization', 'not a unit of the caller');
	elsif p_kind = 'APPEAL' then
		perform refuse('fund_kind_own', 'an appeal''s fund comes with its campaign');
	elsif p_code ~ '^(goods[.]|[0-9a-f]{8}-)' then
		perform refuse('fund_code_form', 'the code is reserved');
	elsif p_source = 'DONATION' and p_bank_account is null then
		perform refuse('fund_bank_missing', 'where gifts are transferred to must be said');
	elsif p_founder_party is not null and not exists (select from party where id = p_founder_party and in_my_organization(organization) and erased_at is null) then
		perform refuse('fund_founder', 'no such donor of the unit');
	end if;
	insert into fund (id, code, kind, source, name, organization, campaign_id, purpose, founder, founder_party, minimum_fen, starts_on, ends_on, delegated_fen,
		bank_holder, bank_name, bank_account, state, proposed_by, proposed_at)
	values (p_id, p_code, p_kind, p_source, p_name, p_organization, case when p_source = 'DONATION' then p_id end, p_purpose, p_founder, p_founder_party, p_minimum_fen,
		coalesce(p_starts_on, business_day()), p_ends_on, p_delegated_fen, p_bank_holder, p_bank_name, p_bank_account, 'PROPOSED', p_by, now())
	returning * into f;
	insert into fund_instalment (fund_id, no, due_on, amount_fen)
	select p_id, n, (i ->> 'due_date')::date, (i ->> 'amount_fen')::bigint from json_array_elements(p_instalments) with ordinality t (i, n);
	insert into fund_earmark (fund_id, code, name) select p_id, e ->> 'code', e ->> 'name' from json_array_elements(p_earmarks) e;
	if f.campaign_id is null and json_array_length(p_earmarks) > 0 then
		perform refuse('fund_earmark_gifts', 'gifts name earmarks, and it takes none');
	elsif p_kind = 'NAMED' and coalesce((select sum(amount_fen) from fund_instalment where fund_id = p_id), 0) < p_minimum_fen then
		perform refuse('fund_minimum', 'the instalments do not come to the minimum');
	elsif p_kind <> 'NAMED' and exists (select from fund_instalment where fund_id = p_id) then
		perform refuse('fund_named_terms', 'instalments are a named fund''s');
	elsif exists (select from (select due_on, lag(due_on) over (order by no) as before from fund_instalment where fund_id = p_id) i
		where due_on <= before or due_on < f.starts_on or due_on > coalesce(f.ends_on, 'infinity')) then
		perform refuse('fund_instalment_order', 'instalments follow each other within the term');
	end if;
	return f;
end $$;

-- The row, locked, if it is of the caller's unit or below and in one of the states.
create function fund_take(p_code text, variadic p_states text[]) returns fund
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund;
begin
	select * into f from fund where code = p_code and kind <> 'APPEAL' and in_my_organization(organization) for update;
	if f.id is null then
		perform refuse('fund_unknown', 'no such fund of the unit');
	elsif f.state <> all (p_states) then
		perform refuse('fund_transition', f.state);
	end if;
	return f;
end $$;

-- Four eyes; a township's account is opened, and its limit thereby given, by the unit above.
create function fund_open(p_code text, p_by uuid) returns fund
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund := fund_take(p_code, 'PROPOSED');
begin
	if f.proposed_by = p_by then
		perform refuse('fund_own', 'who proposed it does not open it');
	elsif f.kind = 'TOWNSHIP' and f.organization = current_setting('yg.organization', true) then
		perform refuse('fund_township_above', 'the unit above opens it');
	end if;
	update fund set state = 'OPEN', opened_by = p_by, opened_at = now() where id = f.id returning * into f;
	if f.campaign_id is not null then
		insert into campaign (id, organization, title, purpose, starts_on, ends_on, bank_holder, bank_name, bank_account, state, opened_at, updated_by, fund_code)
		values (f.id, f.organization, f.name, f.purpose, f.starts_on, coalesce(f.ends_on, '2999-12-31'), f.bank_holder, f.bank_name, f.bank_account, 'OPEN', now(), p_by, f.code);
	end if;
	perform fund_leaf(f, 'opened', f.opened_at);
	return f;
end $$;

create function fund_refuse(p_code text, p_by uuid, p_reason text) returns fund
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund := fund_take(p_code, 'PROPOSED');
begin
	update fund set state = 'REFUSED', ended_by = p_by, ended_at = now(), reason = p_reason where id = f.id returning * into f;
	return f;
end $$;

-- Only an empty fund ends. Who opened it may end it: nothing is decided about money any more.
create function fund_end(p_code text, p_by uuid, p_reason text) returns fund
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund := fund_take(p_code, 'OPEN');
begin
	perform from account where name = 'fund:' || f.code for update;
	if f.proposed_by is null then
		perform refuse('fund_transition', 'it belongs to the goods of the unit');
	elsif account_balance('fund:' || f.code) <> 0 or fund_available(f.id) <> 0 then
		perform refuse('fund_not_empty', 'there is money in it');
	elsif exists (select from campaign c where c.surplus_fund = f.code and (c.state in ('FILED', 'OPEN', 'CLOSED')
		or (c.state = 'REPORTED' and account_balance('fund:' || c.id) <> 0))) then
		perform refuse('fund_surplus_named', 'a campaign''s filing sends its surplus there'); -- and that is frozen
	end if;
	update fund set state = 'ENDED', ended_by = p_by, ended_at = now(), reason = p_reason where id = f.id returning * into f;
	update campaign set state = 'CLOSED', close_reason = p_reason, updated_by = p_by where id = f.campaign_id and state = 'OPEN';
	perform fund_leaf(f, 'ended', f.ended_at);
	return f;
end $$;

-- Above what was delegated to it a township's own staff do not approve: the unit above does.
create function disbursement_delegated() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from disbursement d join fund f on f.id = d.fund_id where d.id = new.disbursement_id and f.kind = 'TOWNSHIP'
		and d.amount_fen > f.delegated_fen and not starts_with(f.organization, coalesce(nullif(current_setting('yg.organization', true), ''), '-') || '/')) then
		perform refuse('disbursement_above_delegation', 'the unit above approves this amount');
	end if;
	return new;
end $$;
create trigger disbursement_delegated before insert on disbursement_approval for each row execute function disbursement_delegated();

-- Nothing is used of a fund that is not open, but what came (back) to one that ended.
create function disbursement_fund_open() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select state <> 'OPEN' and (state <> 'ENDED' or fund_available(id) < new.amount_fen) from fund where id = new.fund_id) then
		perform refuse('disbursement_fund', 'the fund is not open');
	end if;
	return new;
end $$;
create trigger disbursement_fund_open before insert on disbursement for each row execute function disbursement_fund_open();

-- ── what anyone may see ──
-- An instalment is met when what came in and stayed reaches it and those before. Volatile: it shows what was just proposed.
create function fund_instalments(f fund) returns json
language sql volatile security definer set search_path = donations, pg_temp as $$
	select json_agg(json_build_object('no', no, 'due_date', due_on, 'amount_fen', amount_fen, 'met_fen', greatest(0, least(amount_fen, stayed - before)),
		'state', case when stayed >= before + amount_fen then 'MET' when due_on < business_day() then 'OVERDUE' else 'DUE' end) order by no)
	from (select i.*, (sum(amount_fen) over (order by no) - amount_fen)::bigint as before from fund_instalment i where fund_id = f.id) i,
	     (select coalesce(-sum(p.fen), 0)::bigint as stayed from posting p join entry e on e.id = p.entry_id
	      where p.account = 'fund:' || f.code and e.kind in ('gift.received', 'gift.refunded')) s
$$;

create function fund_earmarks(p_fund uuid) returns json
language sql volatile security definer set search_path = donations, pg_temp as $$
	select json_agg(json_build_object('code', code, 'name', name) order by code) from fund_earmark where fund_id = p_fund
$$;

-- By the years of Shanghai in which it happened, the newest first.
create function fund_statement(f fund) returns json
language sql stable security definer set search_path = donations, pg_temp as $$
	select coalesce(json_agg(json_build_object('year', year, 'received_fen', received, 'refunded_fen', refunded, 'spent_fen', spent,
		'moved_fen', moved, 'balance_fen', balance) order by year desc), '[]')
	from (select extract(year from e.occurred_at at time zone 'Asia/Shanghai')::int as year,
	             coalesce(-sum(p.fen) filter (where e.kind in ('gift.received', 'fund.received')), 0)::bigint as received,
	             coalesce(sum(p.fen) filter (where e.kind = 'gift.refunded'), 0)::bigint as refunded,
	             coalesce(sum(p.fen) filter (where e.kind in ('disbursement', 'disbursement.reversed')), 0)::bigint as spent,
	             coalesce(-sum(p.fen) filter (where e.kind = 'fund.moved'), 0)::bigint as moved,
	             (-sum(sum(p.fen)) over (order by extract(year from e.occurred_at at time zone 'Asia/Shanghai')::int))::bigint as balance
	      from posting p join entry e on e.id = p.entry_id where p.account = 'fund:' || f.code group by 1) y
$$;

drop function fund_figures;
create function fund_figures(p_code text) returns table (balance_fen bigint, available_fen bigint, received_fen bigint, refunded_fen bigint, spent_fen bigint,
	moved_in_fen bigint, moved_out_fen bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select -account_balance('fund:' || f.code), fund_available(f.id),
	       coalesce(-sum(p.fen) filter (where e.kind in ('gift.received', 'goods.received', 'fund.received')), 0)::bigint,
	       coalesce(sum(p.fen) filter (where e.kind = 'gift.refunded'), 0)::bigint,
	       coalesce(sum(p.fen) filter (where e.kind in ('disbursement', 'disbursement.reversed')), 0)::bigint,
	       coalesce(-sum(p.fen) filter (where e.kind = 'fund.moved' and p.fen < 0), 0)::bigint, coalesce(sum(p.fen) filter (where e.kind = 'fund.moved' and p.fen > 0), 0)::bigint
	from fund f left join posting p on p.account = 'fund:' || f.code left join entry e on e.id = p.entry_id
	where f.code = p_code
	group by f.id, f.code
$$;

alter table fund enable row level security;
create policy fund_public on fund for select using (state not in ('PROPOSED', 'REFUSED'));
create policy fund_staff on fund for select using (current_kind() = 'staff' and in_my_organization(organization));
alter table fund_instalment enable row level security;
create policy fund_instalment_seen on fund_instalment for select using (exists (select from fund f where f.id = fund_id));
grant select on fund_instalment to yg_donations;
alter table fund_earmark enable row level security;
create policy fund_earmark_seen on fund_earmark for select using (exists (select from fund f where f.id = fund_id));
grant select on fund_earmark to yg_donations;
revoke execute on function campaign_target_fixed, fund_founder_erased, fund_leaf, fund_propose, fund_take, fund_open, fund_refuse, fund_end, disbursement_delegated, disbursement_fund_open,
	fund_instalments, fund_earmarks, fund_statement, fund_figures from public;
grant execute on function campaign_target_fixed, fund_propose, fund_open, fund_refuse, fund_end, fund_instalments, fund_earmarks, fund_statement, fund_figures to yg_donations;
