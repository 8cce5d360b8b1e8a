-- Moving money between funds by the filed rule, the gifts with it; entries that are booked together or not at all; and the rule of use as
-- it is now: within a fund gifts for the disbursement's purpose first, then the earliest payment (time, then public code). What was given
-- for another purpose is left alone.

-- ── linked entries ──
create table entry_link (
	entry_id uuid constraint entry_link_once primary key constraint entry_link_entry references entry (id),
	first_id uuid not null constraint entry_link_first references entry (id)
);
create trigger entry_link_append_only before update or delete on entry_link for each row execute function append_only();
grant select on entry_link to yg_donations;

-- Posts [{id, kind, occurred_at, postings, reason}, …], all or none: `created`, or `exists` when all of them were posted together before.
create function ledger_post_all(p_entries json) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_first uuid := (p_entries -> 0 ->> 'id')::uuid;
	v_results text[];
begin
	-- each entry locks its accounts by name; of several together that would be no order
	perform from account where side is not null and name in (select p ->> 'account' from json_array_elements(p_entries) e, json_array_elements(e -> 'postings') p)
	order by name for update;
	-- and several entries must not do what one may not
	if (select count(distinct f.source) from json_array_elements(p_entries) e, json_array_elements(e -> 'postings') p join fund f on 'fund:' || f.code = p ->> 'account') > 1 then
		perform refuse('fund_source_mixed', 'money does not move between classes of sources');
	end if;
	select array_agg(distinct ledger_post((e ->> 'id')::uuid, e ->> 'kind', (e ->> 'occurred_at')::timestamptz, e -> 'postings', e ->> 'reason', null))
	into v_results from json_array_elements(p_entries) e;
	if v_results = '{created}' then
		insert into entry_link (entry_id, first_id) select (e ->> 'id')::uuid, v_first from json_array_elements(p_entries) e;
		return 'created';
	elsif v_results = '{exists}' and (select count(*) from entry_link where first_id = v_first) = json_array_length(p_entries)
		and not exists (select from json_array_elements(p_entries) e where not exists (select from entry_link l where l.entry_id = (e ->> 'id')::uuid and l.first_id = v_first)) then
		return 'exists';
	end if;
	perform refuse('entry_set_conflict', 'some of the entries were posted otherwise');
	return null;
end $$;

-- Ids are made by who asks: one of a gift that waits for its payment, taken for another entry, would leave that payment without one.
create function entry_id_own() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from gift where id = new.id) or exists (select from refund where id = new.id) then
		perform refuse('entry_kind_reserved', 'the id is a gift''s or a refund''s');
	end if;
	return new;
end $$;
create trigger entry_id_own before insert on entry
	for each row when (new.kind not in ('gift.received', 'gift.refunded')) execute function entry_id_own();

-- ── gifts in other funds than the one they were given to ──
-- A gift's money that was moved is `allocated_fen` until it is spent; where it is stands in gift_share.
alter table gift_public add column allocated_fen bigint not null default 0, add column moved boolean not null default false; -- moved: ever, also when it came back
alter table gift_public drop constraint gift_spent_range;
alter table gift_public add constraint gift_spent_range check (spent_fen >= 0 and allocated_fen >= 0 and spent_fen + allocated_fen + refunded_fen <= amount_fen);
drop index gift_public_unspent;
create index gift_public_unspent on gift_public (campaign_id, paid_at, public_code) where amount_fen > refunded_fen + spent_fen + allocated_fen;
create or replace function gift_spent_fen(p_gift uuid) returns bigint
language sql stable security definer set search_path = donations, pg_temp as $$
	select coalesce((select p.spent_fen + p.allocated_fen from gift g join gift_public p using (public_code) where g.id = p_gift), 0)
$$;
create table gift_share (
	fund_id uuid not null constraint gift_share_fund references fund (id),
	public_code text not null,
	fen bigint not null,
	constraint gift_share_once primary key (fund_id, public_code),
	constraint gift_share_range check (fen >= 0)
);
create index gift_share_by_gift on gift_share (public_code);
create trigger gift_share_kept before delete on gift_share for each row execute function append_only();
create function gift_share_balanced() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select allocated_fen from gift_public where public_code = new.public_code) is distinct from
		(select coalesce(sum(fen), 0) from gift_share where public_code = new.public_code) then
		perform refuse('gift_share_unbalanced', format('shares of gift %s', new.public_code));
	end if;
	return null;
end $$;
create constraint trigger gift_share_balanced after insert or update on gift_share
	deferrable initially deferred for each row execute function gift_share_balanced();
create constraint trigger gift_public_allocated after update on gift_public
	deferrable initially deferred for each row when (new.allocated_fen <> old.allocated_fen) execute function gift_share_balanced();

-- A share of a fund grows or shrinks; the gift's own fund has none, there the gift itself is.
create function gift_share_add(f fund, p_public_code text, p_fen bigint) returns void
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select campaign_id from gift_public where public_code = p_public_code) = f.campaign_id then
		return;
	end if;
	if p_fen < 0 then
		update gift_share set fen = fen + p_fen where fund_id = f.id and public_code = p_public_code;
	else
		insert into gift_share as s (fund_id, public_code, fen) values (f.id, p_public_code, p_fen)
		on conflict (fund_id, public_code) do update set fen = s.fen + excluded.fen;
	end if;
end $$;

alter table disbursement add column earmark text,
	add constraint disbursement_earmark_offered foreign key (fund_id, earmark) references fund_earmark (fund_id, code);
create function disbursement_earmark_fixed() returns trigger
language plpgsql as $$
begin
	perform refuse('disbursement_transition', 'the earmark of a disbursement does not change');
	return null;
end $$;
create trigger disbursement_earmark_fixed before update on disbursement
	for each row when (new.earmark is distinct from old.earmark) execute function disbursement_earmark_fixed();
alter table gift_use add column shared boolean not null default false;

-- Gifts of a fund that come to an amount, in the order of the rule, each up to what is neither refunded, nor on its way back, nor used, nor
-- moved before. The caller has locked the fund's account. p_all: whatever they were given for.
create type gift_part as (public_code text, gift_id uuid, fen bigint, shared boolean);
create function fund_draw(f fund, p_fen bigint, p_earmark text, p_all boolean) returns setof gift_part
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_left bigint := p_fen;
	v_rest bigint;
	g record;
begin
	for v_turn in (case when p_earmark is null then 2 else 1 end)..2 loop
		for g in select * from (
			select public_code, gift_id, paid_at, spent_fen + allocated_fen as gone, null::bigint as share from gift_public
			where campaign_id = f.campaign_id and amount_fen > refunded_fen + spent_fen + allocated_fen
				and case when v_turn = 1 then earmark = p_earmark else earmark is null or p_all end
			union all
			select s.public_code, p.gift_id, p.paid_at, 0, s.fen from gift_share s join gift_public p using (public_code)
			where s.fund_id = f.id and s.fen > 0 and v_turn = 2) u
			order by paid_at, public_code loop
			if g.share is null then
				select amount_fen - refund_held_fen - g.gone into v_rest from pay_order where out_trade_no = g.public_code for update;
			else
				v_rest := g.share;
			end if;
			v_rest := least(v_rest, v_left);
			continue when v_rest <= 0;
			return next (g.public_code, g.gift_id, v_rest, g.share is not null)::gift_part;
			v_left := v_left - v_rest;
			if v_left = 0 then
				return;
			end if;
		end loop;
	end loop;
end $$;

create or replace function disbursement_leaf(d disbursement, p_what text, p_at timestamptz, p_entry uuid, p_after uuid) returns uuid
language sql volatile security definer set search_path = donations, pg_temp as $$
	select outbox_leaf('disbursement.' || p_what, d.id::text, json_build_object('disbursement_id', d.id, 'number', d.number), 'disbursement.' || p_what, d.number, p_at,
		json_build_object('fund', (select code from fund where id = d.fund_id), 'amount_fen', d.amount_fen, 'purpose', d.purpose, 'payee_kind', d.payee_kind,
			'payee', d.payee, 'document_sha256', d.document_sha256, 'evidence_sha256', d.evidence_sha256, 'decision_no', d.decision_no,
			'related_party', case when d.related_party then true end, 'reason', d.reason, 'earmark', d.earmark),
		null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = p_entry),
		case when p_after is not null then json_build_array(p_after) end)
$$;

drop function disbursement_create;
create function disbursement_create(p_id uuid, p_fund text, p_amount_fen bigint, p_purpose text, p_payee_kind text, p_payee text,
	p_document text, p_decision_no text, p_related boolean, p_by uuid, p_earmark text default null) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund;
	d disbursement;
begin
	select * into f from fund where code = p_fund and in_my_organization(organization);
	if f.id is null then
		perform refuse('disbursement_fund', 'no such fund of the unit');
	end if;
	insert into disbursement (id, number, fund_id, organization, amount_fen, purpose, payee_kind, payee, document_sha256, decision_no, related_party, created_by, earmark)
	values (p_id, 'D' || to_char(now() at time zone 'Asia/Shanghai', 'YYYYMMDD') || lpad(nextval('disbursement_number')::text, 6, '0'), f.id, f.organization,
		p_amount_fen, p_purpose, p_payee_kind, p_payee, p_document, p_decision_no, coalesce(p_related, false), p_by, p_earmark)
	returning * into d;
	return d;
end $$;

-- What was given for other purposes and is not promised to them yet.
create function fund_earmarked_elsewhere(p_fund uuid, p_earmark text) returns bigint
language sql stable security definer set search_path = donations, pg_temp as $$
	select coalesce(sum(greatest(0, there - held)), 0)::bigint
	from (select e.code, coalesce((select sum(o.amount_fen - o.refund_held_fen - p.spent_fen - p.allocated_fen) from gift_public p join pay_order o on o.out_trade_no = p.public_code
	             where p.campaign_id = p_fund and p.earmark = e.code), 0) as there,
	             coalesce((select sum(h.fen) from hold h join disbursement d on d.id = h.id where d.fund_id = p_fund and d.earmark = e.code
	             and h.state = 'PENDING' and h.expires_at > now()), 0) as held
	      from fund_earmark e where e.fund_id = p_fund and e.code is distinct from p_earmark) s
$$;
-- Whatever is promised or moved for p_earmark (NULL: for none) must leave what was given for others. The caller has locked the fund's account.
create function fund_earmarks_kept(p_fund uuid, p_earmark text) returns void
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from fund_earmark where fund_id = p_fund) and fund_available(p_fund) < fund_earmarked_elsewhere(p_fund, p_earmark) then
		perform refuse('disbursement_earmarked', 'the rest was given for other purposes');
	end if;
end $$;
-- The hold is there already.
create function disbursement_earmark_guard() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	perform fund_earmarks_kept(new.fund_id, new.earmark);
	return new;
end $$;
create trigger disbursement_earmark_guard before update on disbursement
	for each row when (new.state = 'APPROVED' and old.state <> 'APPROVED') execute function disbursement_earmark_guard();

create or replace function disbursement_pay(p_id uuid, p_by uuid, p_bank_reference text, p_paid_at timestamptz) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'APPROVED');
	v_fund fund;
	v_event uuid;
	g gift_part;
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
	for g in select * from fund_draw(v_fund, d.amount_fen, d.earmark, false) loop
		insert into gift_use (disbursement_id, public_code, amount_fen, used_at, shared) values (p_id, g.public_code, g.fen, p_paid_at, g.shared);
		update gift_public set spent_fen = spent_fen + g.fen, allocated_fen = allocated_fen - case when g.shared then g.fen else 0 end where public_code = g.public_code;
		perform gift_share_add(v_fund, g.public_code, -g.fen);
		perform outbox_leaf('gift.spent', g.gift_id::text, json_build_object('gift_id', g.gift_id, 'disbursement_id', p_id, 'amount_fen', g.fen), 'gift.spent',
			g.public_code, p_paid_at, json_build_object('disbursement', d.number, 'amount_fen', g.fen, 'of_fen', d.amount_fen), null, null, json_build_array(v_event));
	end loop;
	return d;
end $$;

create or replace function disbursement_reverse(p_id uuid, p_entry uuid, p_by uuid, p_reason text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'PAID', 'ACKNOWLEDGED');
	v_fund fund;
	v_event uuid;
	u record;
begin
	select * into v_fund from fund where id = d.fund_id;
	perform from account where name = 'fund:' || v_fund.code for update;
	if ledger_post(p_entry, 'disbursement.reversed', now(), (select json_agg(json_build_object('account', account, 'fen', -fen) order by seq)
		from posting where entry_id = p_id), p_reason, p_id) <> 'created' then
		perform refuse('disbursement_transition', 'the entry is another one');
	end if;
	update disbursement set state = 'REVERSED', reason = p_reason, ended_at = now(), ended_by = p_by where id = p_id returning * into d;
	v_event := disbursement_leaf(d, 'reversed', now(), p_entry, (select event_id from entry_leaf where entry_id = p_id));
	insert into entry_leaf (entry_id, event_id) values (p_entry, v_event);
	for u in select x.public_code, x.amount_fen, x.shared, p.gift_id from gift_use x join gift_public p using (public_code)
		where x.disbursement_id = p_id order by x.seq loop
		insert into gift_use (disbursement_id, public_code, amount_fen, used_at, shared) values (p_id, u.public_code, -u.amount_fen, now(), u.shared);
		update gift_public set spent_fen = spent_fen - u.amount_fen, allocated_fen = allocated_fen + case when u.shared then u.amount_fen else 0 end
		where public_code = u.public_code;
		perform gift_share_add(v_fund, u.public_code, u.amount_fen);
		perform outbox_leaf('gift.spent', u.gift_id::text, json_build_object('gift_id', u.gift_id, 'disbursement_id', p_id, 'amount_fen', -u.amount_fen), 'gift.spent',
			u.public_code, now(), json_build_object('disbursement', d.number, 'amount_fen', -u.amount_fen, 'of_fen', d.amount_fen), null, null, json_build_array(v_event));
	end loop;
	return d;
end $$;

-- ── the filed surplus ──
-- The fund that the filing names for what a campaign takes beyond its goal, or has left when it is over.
alter table campaign add column surplus_fund text constraint campaign_surplus_fund references fund (code);
grant insert (surplus_fund), update (surplus_fund) on campaign to yg_donations;
create function campaign_surplus() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if tg_op = 'UPDATE' and old.state <> 'DRAFT' and new.surplus_fund is distinct from old.surplus_fund then
		perform refuse('campaign_filing_frozen', 'the filed plan cannot change');
	end if;
	-- looked at again when it is filed: the fund may have ended since
	if new.surplus_fund is not null and (tg_op = 'INSERT' or (old.state = 'DRAFT' and (new.state, new.surplus_fund) is distinct from (old.state, old.surplus_fund))) and not exists (select from fund f
		where f.code = new.surplus_fund and f.kind <> 'APPEAL' and f.campaign_id is not null and f.state = 'OPEN'
			and (new.organization = f.organization or starts_with(new.organization, f.organization || '/'))) then
		perform refuse('campaign_surplus_fund', 'no open fund of the unit, or of one above, that takes gifts');
	end if;
	return new;
end $$;
create trigger campaign_surplus before insert or update on campaign
	for each row execute function campaign_surplus();

create sequence fund_move_number as bigint;
create table fund_move (
	id uuid primary key,
	number text not null constraint fund_move_number_taken unique,
	rule text not null constraint fund_move_rule_known check (rule in ('SURPLUS', 'ALLOCATION')),
	from_fund uuid not null constraint fund_move_from references fund (id),
	organization text not null,
	amount_fen bigint not null constraint fund_move_amount check (amount_fen > 0),
	purpose text not null,
	document_sha256 text,
	decision_no text,
	state text not null default 'PROPOSED',
	proposed_by uuid not null,
	proposed_at timestamptz not null default now(),
	decided_by uuid,
	decided_at timestamptz,
	reason text,
	constraint fund_move_own check (decided_by <> proposed_by or state = 'REFUSED'),
	constraint fund_move_state_consistent check (case state when 'PROPOSED' then decided_at is null when 'BOOKED' then decided_by is not null and decided_at is not null
		when 'REFUSED' then decided_by is not null and decided_at is not null and reason is not null else false end)
);
create index fund_move_newest on fund_move (id desc);
create index fund_move_booked on fund_move (decided_at desc, id desc) where state = 'BOOKED';
create index fund_move_by_fund on fund_move (from_fund);
create trigger fund_move_kept before delete on fund_move for each row execute function append_only();
create function fund_move_before_update() returns trigger
language plpgsql as $$
begin
	if old.state <> 'PROPOSED' or (new.id, new.number, new.rule, new.from_fund, new.organization, new.amount_fen, new.purpose, new.document_sha256, new.decision_no, new.proposed_by)
		is distinct from (old.id, old.number, old.rule, old.from_fund, old.organization, old.amount_fen, old.purpose, old.document_sha256, old.decision_no, old.proposed_by) then
		perform refuse('fund_move_fixed', 'what was proposed does not change');
	end if;
	return new;
end $$;
create trigger fund_move_before_update before update on fund_move for each row execute function fund_move_before_update();

create table fund_move_line (
	move_id uuid not null constraint fund_move_line_of references fund_move (id),
	no smallint not null,
	to_fund uuid not null constraint fund_move_line_to references fund (id),
	amount_fen bigint not null constraint fund_move_line_amount check (amount_fen > 0),
	entry_id uuid not null, -- that it makes when it is booked
	constraint fund_move_line_once primary key (move_id, no),
	constraint fund_move_line_fund_once unique (move_id, to_fund)
);
create trigger fund_move_line_append_only before update or delete on fund_move_line for each row execute function append_only();

-- Which part of which gift went with it.
create table gift_allocation (
	seq bigint generated always as identity primary key,
	move_id uuid not null constraint gift_allocation_move references fund_move (id),
	public_code text not null,
	from_fund uuid not null,
	to_fund uuid not null,
	amount_fen bigint not null constraint gift_allocation_amount check (amount_fen > 0),
	moved_at timestamptz not null default now()
);
create index gift_allocation_by_gift on gift_allocation (public_code);
create index gift_allocation_by_move on gift_allocation (move_id, seq);
create trigger gift_allocation_append_only before update or delete on gift_allocation for each row execute function append_only();

-- What a campaign that is still open may give away: what it took beyond its goal, less what was moved before.
create function campaign_beyond_goal(c campaign, p_fund uuid) returns bigint
language sql stable security definer set search_path = donations, pg_temp as $$
	select greatest(0, coalesce((select m.payment_fen - m.refund_fen from campaign_money m where m.campaign_id = c.id), 0) - c.goal_fen
		- coalesce((select sum(amount_fen) from fund_move where from_fund = p_fund and state = 'BOOKED'), 0))::bigint
$$;

create function fund_move_propose(p_id uuid, p_from text, p_lines json, p_purpose text, p_document text, p_decision_no text, p_by uuid) returns fund_move
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund;
	c campaign;
	m fund_move;
begin
	select * into f from fund where code = p_from and state = 'OPEN' and in_my_organization(organization);
	if f.id is null then
		perform refuse('fund_move_from', 'no such fund of the unit');
	elsif f.kind not in ('APPEAL', 'UNRESTRICTED') then
		perform refuse('fund_move_rule', 'what was given for a purpose stays with it');
	end if;
	insert into fund_move (id, number, rule, from_fund, organization, amount_fen, purpose, document_sha256, decision_no, proposed_by)
	values (p_id, 'T' || to_char(now() at time zone 'Asia/Shanghai', 'YYYYMMDD') || lpad(nextval('fund_move_number')::text, 6, '0'),
		case f.kind when 'APPEAL' then 'SURPLUS' else 'ALLOCATION' end, f.id, f.organization,
		(select sum((l ->> 'amount_fen')::bigint) from json_array_elements(p_lines) l), p_purpose, p_document, p_decision_no, p_by)
	returning * into m;
	if exists (select from json_array_elements(p_lines) l where not exists (select from fund t where t.code = l ->> 'fund' and t.state = 'OPEN' and t.id <> f.id
		and (t.campaign_id is null) = (f.campaign_id is null) and (t.kind <> 'APPEAL' or campaign_is_public(t.campaign_id)))) then
		perform refuse('fund_move_line_to', 'no such open fund that takes it');
	elsif exists (select from json_array_elements(p_lines) l join fund t on t.code = l ->> 'fund' where t.source <> f.source) then
		perform refuse('fund_source_mixed', 'money does not move between classes of sources');
	end if;
	insert into fund_move_line (move_id, no, to_fund, amount_fen, entry_id)
	select p_id, n, (select id from fund where code = l ->> 'fund'), (l ->> 'amount_fen')::bigint, uuid7_new() from json_array_elements(p_lines) with ordinality t (l, n);
	if m.rule = 'SURPLUS' then
		select * into c from campaign where id = f.campaign_id;
		if c.surplus_fund is null or json_array_length(p_lines) <> 1 or p_lines -> 0 ->> 'fund' <> c.surplus_fund then
			perform refuse('fund_move_rule', 'only to the fund that the filing names');
		elsif c.state = 'OPEN' and c.goal_fen is null or c.state not in ('OPEN', 'CLOSED', 'REPORTED') then
			perform refuse('fund_move_rule', 'the campaign is not over');
		end if;
	end if;
	return m;
end $$;

create function fund_move_take(p_id uuid) returns fund_move
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	m fund_move;
begin
	select * into m from fund_move where id = p_id and in_my_organization(organization) for update;
	if m.id is null then
		perform refuse('fund_move_unknown', 'no such transfer of the unit');
	elsif m.state <> 'PROPOSED' then
		perform refuse('fund_move_fixed', m.state);
	end if;
	return m;
end $$;

-- Books all lines or none. The gifts that go along are those of the rule; an unrestricted fund keeps what was given for one of its
-- purposes, a campaign's surplus takes all that is left.
create function fund_move_approve(p_id uuid, p_by uuid) returns fund_move
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	m fund_move := fund_move_take(p_id);
	f fund;
	t fund;
	c campaign;
	l fund_move_line;
	g gift_part;
	v_event uuid;
	v_before uuid;
	v_named bigint;
begin
	if m.proposed_by = p_by then
		perform refuse('fund_move_own', 'who proposed it does not book it');
	elsif (approval_rule_for(m.amount_fen, (m.proposed_at at time zone 'Asia/Shanghai')::date)).decision and m.decision_no is null then
		perform refuse('fund_move_decision_missing', 'a collective decision must be named');
	end if;
	select * into f from fund where id = m.from_fund;
	-- in the order of their names, as ledger_post_all
	perform from account where name = 'fund:' || f.code or name in (select 'fund:' || o.code from fund_move_line x join fund o on o.id = x.to_fund where x.move_id = p_id)
	order by name for update;
	if m.rule = 'SURPLUS' then
		select * into c from campaign where id = f.campaign_id;
		if c.state = 'OPEN' and m.amount_fen > campaign_beyond_goal(c, f.id) then
			perform refuse('fund_move_rule', 'more than what came in beyond the goal');
		end if;
	end if;
	if exists (select from fund_move_line x join fund o on o.id = x.to_fund where x.move_id = p_id and o.state <> 'OPEN') then
		perform refuse('fund_move_line_to', 'one of the funds was ended');
	end if;
	if ledger_post_all((select json_agg(json_build_object('id', x.entry_id, 'kind', 'fund.moved', 'occurred_at', now(), 'reason', m.number,
		'postings', json_build_array(json_build_object('account', 'fund:' || f.code, 'fen', x.amount_fen), json_build_object('account', 'fund:' || o.code, 'fen', -x.amount_fen))) order by x.no)
		from fund_move_line x join fund o on o.id = x.to_fund where x.move_id = p_id)) <> 'created' then
		perform refuse('fund_move_fixed', 'its entries are there already');
	end if;
	update fund_move set state = 'BOOKED', decided_by = p_by, decided_at = now() where id = p_id returning * into m;
	for l in select * from fund_move_line where move_id = p_id order by no loop
		select * into t from fund where id = l.to_fund;
		v_event := outbox_leaf('fund.moved', l.entry_id::text, json_build_object('move_id', p_id, 'number', m.number, 'entry_id', l.entry_id), 'ledger.posted', l.entry_id::text, now(),
			json_build_object('kind', 'fund.moved', 'reason', m.number, 'rule', m.rule, 'from', f.code, 'to', t.code, 'amount_fen', l.amount_fen,
				'purpose', m.purpose, 'document_sha256', m.document_sha256, 'decision_no', m.decision_no),
			null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = l.entry_id),
			case when v_before is not null then json_build_array(v_before) end);
		insert into entry_leaf (entry_id, event_id) values (l.entry_id, v_event);
		v_before := coalesce(v_before, v_event); -- entries of one request lead to its first
		continue when f.campaign_id is null;
		v_named := 0;
		for g in select * from fund_draw(f, l.amount_fen, null, m.rule = 'SURPLUS') loop
			update gift_public set moved = true, allocated_fen = allocated_fen + case when not g.shared then g.fen when campaign_id = t.campaign_id then -g.fen else 0 end
			where public_code = g.public_code;
			perform gift_share_add(f, g.public_code, -g.fen);
			perform gift_share_add(t, g.public_code, g.fen);
			insert into gift_allocation (move_id, public_code, from_fund, to_fund, amount_fen) values (p_id, g.public_code, f.id, t.id, g.fen);
			perform outbox_leaf('gift.allocated', g.gift_id::text, json_build_object('gift_id', g.gift_id, 'move_id', p_id, 'amount_fen', g.fen), 'gift.allocated',
				g.public_code, now(), json_build_object('transfer', m.number, 'from', f.code, 'to', t.code, 'amount_fen', g.fen), null, null, json_build_array(v_event));
			v_named := v_named + g.fen;
		end loop;
		if v_named <> l.amount_fen then
			perform refuse('fund_move_gifts', 'the gifts that may be moved do not come to it');
		end if;
	end loop;
	perform fund_earmarks_kept(f.id, null); -- the floor alone would let it take what a disbursement holds, and leave that only what it may not use
	return m;
end $$;

create function fund_move_refuse(p_id uuid, p_by uuid, p_reason text) returns fund_move
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	m fund_move := fund_move_take(p_id);
begin
	update fund_move set state = 'REFUSED', decided_by = p_by, decided_at = now(), reason = p_reason where id = p_id returning * into m;
	return m;
end $$;

-- Volatile, so that they show what was just done.
create function fund_move_lines(p_id uuid) returns json
language sql volatile security definer set search_path = donations, pg_temp as $$
	select json_agg(json_build_object('fund', f.code, 'amount_fen', l.amount_fen) order by l.no) from fund_move_line l join fund f on f.id = l.to_fund where l.move_id = p_id
$$;
create function fund_move_tags(p_id uuid) returns text
language sql volatile security definer set search_path = donations, pg_temp as $$
	select case when count(*) > 40 then '*' else concat_ws(' ', 'summary disbursements', string_agg('gift:' || public_code, ' ')) end
	from (select distinct public_code from gift_allocation where move_id = p_id limit 41) a
$$;
-- Where a gift's money went before it was used, as its page shows it.
create function gift_moves(p_public_code text) returns json
language sql stable security definer set search_path = donations, pg_temp as $$
	select json_agg(json_build_object('transfer', number, 'from', sender, 'to', receiver, 'fund_name', name, 'amount_fen', amount_fen, 'moved_at', rfc3339(moved_at)) order by seq)
	from (select a.seq, m.number, f.code as sender, t.code as receiver, t.name, a.amount_fen, a.moved_at
		from gift_allocation a join fund_move m on m.id = a.move_id join fund f on f.id = a.from_fund join fund t on t.id = a.to_fund
		where a.public_code = p_public_code order by a.seq limit 100) s
$$;

-- What must agree: the shares of a gift, and each fund's balance with what is left in it of gifts. No row means all is well.
create view share_disagreement as
select 'gift' as what, p.public_code as which, p.allocated_fen as says, coalesce(s.fen, 0)::bigint as shares
from gift_public p full join (select public_code, sum(fen) as fen from gift_share group by 1) s on s.public_code = p.public_code
where p.allocated_fen is distinct from coalesce(s.fen, 0)::bigint
union all
select 'fund', f.code, -account_balance('fund:' || f.code), (coalesce(g.fen, 0) + coalesce(s.fen, 0))::bigint
from fund f left join (select campaign_id, sum(amount_fen - refunded_fen - spent_fen - allocated_fen) as fen from gift_public group by 1) g on g.campaign_id = f.campaign_id
left join (select fund_id, sum(fen) as fen from gift_share group by 1) s on s.fund_id = f.id
where f.campaign_id is not null and -account_balance('fund:' || f.code) <> coalesce(g.fen, 0) + coalesce(s.fen, 0);
grant select on share_disagreement to yg_donations;

-- A personal page is under a campaign that was filed.
create function page_permission_campaign() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select fund_code is not null from campaign where id = new.campaign_id) then
		perform refuse('page_permission_campaign', 'a fund has no personal pages');
	end if;
	return new;
end $$;
create trigger page_permission_campaign before insert on page_permission for each row execute function page_permission_campaign();
revoke execute on function page_permission_campaign from public;

alter table fund_move enable row level security;
create policy fund_move_staff on fund_move for select using (current_kind() = 'staff' and in_my_organization(organization));
create policy fund_move_public on fund_move for select using (state = 'BOOKED');
alter table fund_move_line enable row level security;
create policy fund_move_line_seen on fund_move_line for select using (exists (select from fund_move m where m.id = move_id));
grant select on fund_move, fund_move_line, gift_allocation, gift_share to yg_donations;
revoke execute on function entry_id_own, ledger_post_all, gift_share_balanced, gift_share_add, disbursement_earmark_fixed, fund_draw, disbursement_create, fund_earmarked_elsewhere,
	fund_earmarks_kept, disbursement_earmark_guard, campaign_surplus, fund_move_before_update, campaign_beyond_goal, fund_move_propose, fund_move_take, fund_move_approve,
	fund_move_refuse, fund_move_lines, fund_move_tags, gift_moves from public;
grant execute on function disbursement_create, disbursement_earmark_fixed, fund_move_propose, fund_move_approve, fund_move_refuse, fund_move_lines,
	fund_move_tags, gift_moves to yg_donations;
