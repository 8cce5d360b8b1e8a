-- What the money is used for: disbursements (draft, approved by others than its author, paid, acknowledged, reversed) and which gift
-- paid for what. The login role may read; every change is a function of the owner.

-- Who has to agree, by amount (fen) and date: data, since the rule changes and old decisions stay under the old one.
create table approval_rule (
	from_fen bigint not null,
	effective_from date not null,
	approvals smallint not null,
	decision boolean not null, -- a collective decision (三重一大) must be named
	primary key (from_fen, effective_from),
	constraint approval_rule_range check (from_fen >= 0 and approvals between 1 and 5)
);
insert into approval_rule (from_fen, effective_from, approvals, decision) values
	(0, '2016-01-01', 1, false),           -- up to 30,000 yuan
	(3000001, '2016-01-01', 2, false),     -- above
	(10000000, '2016-01-01', 2, true);     -- from 100,000 yuan

create sequence disbursement_number as bigint;
create table disbursement (
	id uuid primary key,
	number text not null constraint disbursement_number_taken unique,
	fund_id uuid not null constraint disbursement_fund references fund (id),
	organization text not null,
	amount_fen bigint not null,
	purpose text not null,
	payee_kind text not null,
	payee text not null, -- as the public may read it: a supplier's name, of a person the region and a code only
	document_sha256 text,
	decision_no text,
	related_party boolean not null default false,
	state text not null default 'DRAFT',
	created_by uuid not null,
	created_at timestamptz not null default now(),
	bank_reference text,
	paid_by uuid,
	paid_at timestamptz,
	evidence_sha256 text,
	acknowledged_at timestamptz,
	reason text, -- of a refusal or reversal
	ended_at timestamptz,
	constraint disbursement_amount_positive check (amount_fen > 0),
	constraint disbursement_payee_kind_known check (payee_kind in ('CASE', 'SUPPLIER', 'BRANCH', 'COST')),
	constraint disbursement_state_consistent check (case state
		when 'DRAFT' then paid_at is null and reason is null when 'APPROVED' then paid_at is null and reason is null
		when 'REFUSED' then paid_at is null and reason is not null
		when 'PAID' then paid_at is not null and paid_by is not null and bank_reference is not null and acknowledged_at is null
		when 'ACKNOWLEDGED' then paid_at is not null and evidence_sha256 is not null and acknowledged_at is not null
		when 'REVERSED' then paid_at is not null and reason is not null else false end)
);
create index disbursement_newest on disbursement (created_at desc, id desc);
create index disbursement_paid on disbursement (paid_at desc, number desc) where paid_at is not null;
create index disbursement_by_fund on disbursement (fund_id);
create trigger disbursement_kept before delete on disbursement for each row execute function append_only();

create table disbursement_approval (
	disbursement_id uuid not null constraint disbursement_approval_of references disbursement (id),
	approved_by uuid not null,
	approved_at timestamptz not null default now(),
	constraint disbursement_approved_once primary key (disbursement_id, approved_by)
);
create trigger disbursement_approval_append_only before update or delete on disbursement_approval for each row execute function append_only();

-- How much of which gift. Negative: given back by a reversal.
create table gift_use (
	seq bigint generated always as identity primary key,
	disbursement_id uuid not null constraint gift_use_disbursement references disbursement (id),
	public_code text not null,
	amount_fen bigint not null,
	used_at timestamptz not null,
	constraint gift_use_amount check (amount_fen <> 0)
);
create unique index gift_use_once on gift_use (disbursement_id, public_code, (amount_fen > 0));
create index gift_use_by_gift on gift_use (public_code);
create trigger gift_use_append_only before update or delete on gift_use for each row execute function append_only();

-- Uses and refunds together are never more than the gift.
alter table gift_public add column spent_fen bigint not null default 0,
	add constraint gift_spent_range check (spent_fen >= 0 and spent_fen + refunded_fen <= amount_fen);
create or replace function gift_spent_fen(p_gift uuid) returns bigint
language sql stable security definer set search_path = donations, pg_temp as $$
	select coalesce((select p.spent_fen from gift g join gift_public p using (public_code) where g.id = p_gift), 0)
$$;

-- At commit: what a gift's row says was spent is the sum of its uses; those of a disbursement sum to its amount, or to 0.
create function gift_use_balanced() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select spent_fen from gift_public where public_code = new.public_code) is distinct from
		(select coalesce(sum(amount_fen), 0) from gift_use where public_code = new.public_code) then
		perform refuse('gift_use_unbalanced', format('uses of gift %s', new.public_code));
	end if;
	return null;
end $$;
create constraint trigger gift_use_balanced after insert on gift_use
	deferrable initially deferred for each row execute function gift_use_balanced();
create constraint trigger gift_public_spent after update on gift_public
	deferrable initially deferred for each row when (new.spent_fen <> old.spent_fen) execute function gift_use_balanced();
create function disbursement_balanced() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select f.campaign_id is not null from fund f where f.id = new.fund_id) and (select coalesce(sum(amount_fen), 0) from gift_use where disbursement_id = new.id)
		<> (case when (select state from disbursement where id = new.id) in ('PAID', 'ACKNOWLEDGED') then new.amount_fen else 0 end) then
		perform refuse('gift_use_unbalanced', format('uses of disbursement %s', new.number));
	end if;
	return null;
end $$;
create constraint trigger disbursement_balanced after update on disbursement
	deferrable initially deferred for each row when (new.state <> old.state) execute function disbursement_balanced();

create function disbursement_leaf(d disbursement, p_what text, p_at timestamptz, p_entry uuid, p_after uuid) returns uuid
language sql volatile security definer set search_path = donations, pg_temp as $$
	select outbox_leaf('disbursement.' || p_what, d.id::text, json_build_object('disbursement_id', d.id, 'number', d.number), 'disbursement.' || p_what, d.number, p_at,
		json_build_object('fund', (select code from fund where id = d.fund_id), 'amount_fen', d.amount_fen, 'purpose', d.purpose, 'payee_kind', d.payee_kind,
			'payee', d.payee, 'document_sha256', d.document_sha256, 'evidence_sha256', d.evidence_sha256, 'decision_no', d.decision_no,
			'related_party', case when d.related_party then true end, 'reason', d.reason),
		null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = p_entry),
		case when p_after is not null then json_build_array(p_after) end)
$$;

-- The row, locked, if the caller may see it and it is in one of the states.
create function disbursement_take(p_id uuid, variadic p_states text[]) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement;
begin
	select * into d from disbursement where id = p_id and in_my_organization(organization) for update;
	if d.id is null then
		perform refuse('disbursement_unknown', 'no such disbursement of the unit');
	elsif d.state <> all (p_states) then
		perform refuse('disbursement_transition', d.state);
	end if;
	return d;
end $$;

create function disbursement_create(p_id uuid, p_fund text, p_amount_fen bigint, p_purpose text, p_payee_kind text, p_payee text,
	p_document text, p_decision_no text, p_related boolean, p_by uuid) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund;
	d disbursement;
begin
	select * into f from fund where code = p_fund and in_my_organization(organization);
	if f.id is null then
		perform refuse('disbursement_fund', 'no such fund of the unit');
	end if;
	insert into disbursement (id, number, fund_id, organization, amount_fen, purpose, payee_kind, payee, document_sha256, decision_no, related_party, created_by)
	values (p_id, 'D' || to_char(now() at time zone 'Asia/Shanghai', 'YYYYMMDD') || lpad(nextval('disbursement_number')::text, 6, '0'), f.id, f.organization,
		p_amount_fen, p_purpose, p_payee_kind, p_payee, p_document, p_decision_no, coalesce(p_related, false), p_by)
	returning * into d;
	return d;
end $$;

-- Four eyes: never the author, nobody twice. The last approval holds the money.
create function disbursement_approve(p_id uuid, p_by uuid) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'DRAFT');
	v_rule approval_rule;
	v_cap bigint;
begin
	if d.created_by = p_by then
		perform refuse('disbursement_own', 'the author does not approve');
	end if;
	select * into v_rule from approval_rule where from_fen <= d.amount_fen and effective_from <= (d.created_at at time zone 'Asia/Shanghai')::date
	order by from_fen desc, effective_from desc limit 1;
	if v_rule.decision and d.decision_no is null then
		perform refuse('disbursement_decision_missing', 'a collective decision must be named');
	end if;
	insert into disbursement_approval (disbursement_id, approved_by) values (p_id, p_by);
	if (select count(*) from disbursement_approval where disbursement_id = p_id) < v_rule.approvals then
		return d;
	end if;
	-- locks the fund's account
	if ledger_hold(p_id, d.fund_id, d.amount_fen, now() + interval '30 days', d.number) <> 'created' then
		perform refuse('disbursement_transition', 'its hold is there already');
	end if;
	if d.payee_kind = 'COST' then
		select c.cost_cap_fen into v_cap from campaign c join fund f on f.campaign_id = c.id where f.id = d.fund_id;
		if d.amount_fen + coalesce((select sum(amount_fen) from disbursement where fund_id = d.fund_id and payee_kind = 'COST'
			and state in ('APPROVED', 'PAID', 'ACKNOWLEDGED')), 0) > v_cap then
			perform refuse('disbursement_cost_cap', 'more than the filed cost cap');
		end if;
	end if;
	update disbursement set state = 'APPROVED' where id = p_id returning * into d;
	perform disbursement_leaf(d, 'approved', now(), null, null);
	return d;
end $$;

create function disbursement_refuse(p_id uuid, p_reason text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'DRAFT', 'APPROVED');
begin
	if d.state = 'APPROVED' then
		perform ledger_hold_void(p_id, p_reason);
	end if;
	update disbursement set state = 'REFUSED', reason = p_reason, ended_at = now() where id = p_id returning * into d;
	return d;
end $$;

-- Pays, and says which gifts paid for it by the published rule: of the fund, the earliest payment first (time, then public code),
-- each up to what is neither refunded, nor on its way back, nor used before.
create function disbursement_pay(p_id uuid, p_by uuid, p_bank_reference text, p_paid_at timestamptz) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'APPROVED');
	v_fund fund;
	v_left bigint;
	v_rest bigint;
	v_event uuid;
	g record;
begin
	if d.created_by = p_by then
		perform refuse('disbursement_own', 'the author does not pay');
	end if;
	p_paid_at := coalesce(p_paid_at, now());
	if p_paid_at > now() + interval '5 minutes' or p_paid_at < date_trunc('day', d.created_at, 'Asia/Shanghai') then
		perform refuse('disbursement_paid_at', 'paid before it was drafted, or not yet');
	end if;
	select * into v_fund from fund where id = d.fund_id;
	if ledger_post(p_id, 'disbursement', p_paid_at, json_build_array(json_build_object('account', 'fund:' || v_fund.code, 'fen', d.amount_fen),
		json_build_object('account', 'bank:transfer', 'fen', -d.amount_fen)), d.number, null) <> 'created' then
		perform refuse('disbursement_transition', 'its entry is there already');
	end if;
	perform ledger_hold_post(p_id, p_id);
	update disbursement set state = 'PAID', paid_by = p_by, bank_reference = p_bank_reference, paid_at = p_paid_at where id = p_id returning * into d;
	v_event := disbursement_leaf(d, 'paid', p_paid_at, p_id, null);
	insert into entry_leaf (entry_id, event_id) values (p_id, v_event);
	v_left := d.amount_fen;
	for g in select public_code, gift_id, spent_fen from gift_public
		where campaign_id = v_fund.campaign_id and amount_fen > refunded_fen + spent_fen order by paid_at, public_code loop
		select amount_fen - refund_held_fen - g.spent_fen into v_rest from pay_order where out_trade_no = g.public_code for update;
		v_rest := least(v_rest, v_left);
		continue when v_rest <= 0;
		insert into gift_use (disbursement_id, public_code, amount_fen, used_at) values (p_id, g.public_code, v_rest, p_paid_at);
		update gift_public set spent_fen = spent_fen + v_rest where public_code = g.public_code;
		perform outbox_leaf('gift.spent', g.gift_id::text, json_build_object('gift_id', g.gift_id, 'disbursement_id', p_id, 'amount_fen', v_rest), 'gift.spent',
			g.public_code, p_paid_at, json_build_object('disbursement', d.number, 'amount_fen', v_rest, 'of_fen', d.amount_fen), null, null, json_build_array(v_event));
		v_left := v_left - v_rest;
		exit when v_left = 0;
	end loop;
	return d;
end $$;

create function disbursement_acknowledge(p_id uuid, p_evidence text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'PAID');
begin
	update disbursement set state = 'ACKNOWLEDGED', evidence_sha256 = p_evidence, acknowledged_at = now() where id = p_id returning * into d;
	perform disbursement_leaf(d, 'acknowledged', now(), null, (select event_id from entry_leaf where entry_id = p_id));
	return d;
end $$;

-- The money came back: the entry is turned back, and so are the uses.
create function disbursement_reverse(p_id uuid, p_entry uuid, p_by uuid, p_reason text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'PAID', 'ACKNOWLEDGED');
	v_event uuid;
	u record;
begin
	perform ledger_post(p_entry, 'disbursement.reversed', now(), (select json_agg(json_build_object('account', account, 'fen', -fen) order by seq)
		from posting where entry_id = p_id), p_reason, p_id);
	update disbursement set state = 'REVERSED', reason = p_reason, ended_at = now() where id = p_id returning * into d;
	v_event := disbursement_leaf(d, 'reversed', now(), p_entry, (select event_id from entry_leaf where entry_id = p_id));
	insert into entry_leaf (entry_id, event_id) values (p_entry, v_event);
	for u in select x.public_code, x.amount_fen, p.gift_id from gift_use x join gift_public p using (public_code) where x.disbursement_id = p_id order by x.seq loop
		insert into gift_use (disbursement_id, public_code, amount_fen, used_at) values (p_id, u.public_code, -u.amount_fen, now());
		update gift_public set spent_fen = spent_fen - u.amount_fen where public_code = u.public_code;
		perform outbox_leaf('gift.spent', u.gift_id::text, json_build_object('gift_id', u.gift_id, 'disbursement_id', p_id, 'amount_fen', -u.amount_fen), 'gift.spent',
			u.public_code, now(), json_build_object('disbursement', d.number, 'amount_fen', -u.amount_fen, 'of_fen', d.amount_fen), null, null, json_build_array(v_event));
	end loop;
	return d;
end $$;

-- Volatile, so that they see what the statement around them has just done.
create function disbursement_approvals(p_id uuid) returns json
language sql volatile as $$
	select coalesce(json_agg(json_build_object('approved_by', approved_by, 'approved_at', rfc3339(approved_at)) order by approved_at), '[]')
	from disbursement_approval where disbursement_id = p_id
$$;
-- Cached pages that it makes stale; of very many gifts, all pages.
create function disbursement_tags(p_id uuid) returns text
language sql volatile as $$
	select case when count(*) > 40 then '*' else concat_ws(' ', 'disbursements summary', string_agg('gift:' || public_code, ' ')) end
	from (select distinct public_code from gift_use where disbursement_id = p_id limit 41) u
$$;

-- What a gift paid for, as its page shows it.
create function gift_uses(p_public_code text) returns json
language sql stable security definer set search_path = donations, pg_temp as $$
	select json_agg(json_strip_nulls(json_build_object('disbursement', d.number, 'purpose', d.purpose, 'payee', d.payee, 'amount_fen', u.fen, 'of_fen', d.amount_fen,
		'paid_at', rfc3339(d.paid_at), 'acknowledged_at', rfc3339(d.acknowledged_at))) order by d.paid_at, d.number)
	from (select disbursement_id, sum(amount_fen) as fen from gift_use where public_code = p_public_code group by 1 having sum(amount_fen) > 0) u
	join disbursement d on d.id = u.disbursement_id
$$;

-- An entry whose leaf is written by who posted it needs no other.
create or replace function entry_logged() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from entry_leaf where entry_id = new.id) then
		return null;
	end if;
	insert into entry_leaf (entry_id, event_id)
	select new.id, outbox_leaf('ledger.posted', new.id::text, json_build_object('entry_id', new.id),
		case when new.reverses is null then 'ledger.posted' else 'correction.published' end, new.id::text, new.occurred_at,
		json_build_object('kind', new.kind, 'reason', new.reason),
		null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = new.id),
		(select json_build_array(event_id) from entry_leaf where entry_id = new.reverses));
	return null;
end $$;

drop function fund_figures;
create function fund_figures(p_code text) returns table (balance_fen bigint, available_fen bigint, received_fen bigint, refunded_fen bigint, spent_fen bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select -account_balance('fund:' || f.code), fund_available(f.id),
	       coalesce(-sum(p.fen) filter (where e.kind = 'gift.received'), 0)::bigint, coalesce(sum(p.fen) filter (where e.kind = 'gift.refunded'), 0)::bigint,
	       coalesce(sum(p.fen) filter (where e.kind in ('disbursement', 'disbursement.reversed')), 0)::bigint
	from fund f left join posting p on p.account = 'fund:' || f.code left join entry e on e.id = p.entry_id
	where f.code = p_code
	group by f.id, f.code
$$;

alter table disbursement enable row level security;
create policy disbursement_staff on disbursement for select using (current_kind() = 'staff' and in_my_organization(organization));
create policy disbursement_public on disbursement for select using (paid_at is not null);
grant select on approval_rule, disbursement, disbursement_approval, gift_use to yg_donations;
revoke execute on function gift_use_balanced, disbursement_balanced, disbursement_leaf, disbursement_take, disbursement_create, disbursement_approve, disbursement_refuse,
	disbursement_pay, disbursement_acknowledge, disbursement_reverse, disbursement_approvals, disbursement_tags, gift_uses, fund_figures from public;
grant execute on function disbursement_create, disbursement_approve, disbursement_refuse, disbursement_pay, disbursement_acknowledge, disbursement_reverse,
	disbursement_approvals, disbursement_tags, gift_uses, fund_figures to yg_donations;
