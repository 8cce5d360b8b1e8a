-- What a look with fresh eyes found: ways around the rules of the ledger and of disbursements, each closed here.

-- Entries and holds are made by the owner's functions only (a gift, a disbursement, goods): no session of the login role posts by itself.
revoke execute on function ledger_post, ledger_hold, ledger_hold_post, ledger_hold_void from yg_donations;

-- Somebody in need is named by region and case only, and no number that could be a telephone or an identity card goes into the log, where
-- nothing can be taken back. A trigger, so that what is refused does not stand in PostgreSQL's log either.
create function disbursement_case_guard() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if new.payee !~ '^[一-鿿、]{1,38}[省市区县镇乡街道村会]·个案 ?[0-9A-Za-z-]{1,20}$' then
		perform refuse('disbursement_case_anonymous', 'a person is named by region and case');
	elsif concat_ws(' ', new.payee, new.purpose, new.reason) ~ '[0-9]{7}' then
		perform refuse('disbursement_case_anonymous', 'a number of seven digits or more');
	end if;
	return new;
end $$;
create trigger disbursement_case_guard before insert or update on disbursement
	for each row when (new.payee_kind = 'CASE') execute function disbursement_case_guard();

-- Who ended or acknowledged it.
alter table disbursement add column ended_by uuid, add column acknowledged_by uuid;

create index gift_public_unspent on gift_public (campaign_id, paid_at, public_code) where amount_fen > refunded_fen + spent_fen;

-- The rule in force is the newest set of rows (each date brings all of its steps); of it the step that the amount reaches.
create function approval_rule_for(p_fen bigint, p_on date) returns approval_rule
language sql stable security definer set search_path = donations, pg_temp as $$
	select r from approval_rule r where r.from_fen <= p_fen and r.effective_from = (select max(effective_from) from approval_rule where effective_from <= p_on)
	order by r.from_fen desc limit 1
$$;

create or replace function disbursement_approve(p_id uuid, p_by uuid) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'DRAFT');
	v_rule approval_rule;
	v_cap bigint;
begin
	if d.created_by = p_by then
		perform refuse('disbursement_own', 'the author does not approve');
	end if;
	v_rule := approval_rule_for(d.amount_fen, (d.created_at at time zone 'Asia/Shanghai')::date);
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

-- An approval is in the log, so its end is too.
drop function disbursement_refuse;
create function disbursement_refuse(p_id uuid, p_by uuid, p_reason text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'DRAFT', 'APPROVED');
	v_approved boolean := d.state = 'APPROVED';
begin
	if v_approved then
		perform ledger_hold_void(p_id, p_reason);
	end if;
	update disbursement set state = 'REFUSED', reason = p_reason, ended_at = now(), ended_by = p_by where id = p_id returning * into d;
	if v_approved then
		perform disbursement_leaf(d, 'refused', now(), null, null);
	end if;
	return d;
end $$;

drop function disbursement_acknowledge;
create function disbursement_acknowledge(p_id uuid, p_by uuid, p_evidence text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'PAID');
begin
	update disbursement set state = 'ACKNOWLEDGED', evidence_sha256 = p_evidence, acknowledged_at = now(), acknowledged_by = p_by
	where id = p_id returning * into d;
	perform disbursement_leaf(d, 'acknowledged', now(), null, (select event_id from entry_leaf where entry_id = p_id));
	return d;
end $$;

-- The money came back: the entry is turned back, and so are the uses. The account's row is locked as for a payment, so that the two
-- follow each other.
create or replace function disbursement_reverse(p_id uuid, p_entry uuid, p_by uuid, p_reason text) returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := disbursement_take(p_id, 'PAID', 'ACKNOWLEDGED');
	v_event uuid;
	u record;
begin
	perform from account where name = (select 'fund:' || code from fund where id = d.fund_id) for update;
	if ledger_post(p_entry, 'disbursement.reversed', now(), (select json_agg(json_build_object('account', account, 'fen', -fen) order by seq)
		from posting where entry_id = p_id), p_reason, p_id) <> 'created' then
		perform refuse('disbursement_transition', 'the entry is another one');
	end if;
	update disbursement set state = 'REVERSED', reason = p_reason, ended_at = now(), ended_by = p_by where id = p_id returning * into d;
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

-- One page holds the first 500 uses of a gift; each disbursement lists all of its own.
create or replace function gift_uses(p_public_code text) returns json
language sql stable security definer set search_path = donations, pg_temp as $$
	select json_agg(json_strip_nulls(json_build_object('disbursement', number, 'purpose', purpose, 'payee', payee, 'amount_fen', fen, 'of_fen', amount_fen,
		'paid_at', rfc3339(paid_at), 'acknowledged_at', rfc3339(acknowledged_at))) order by paid_at, number)
	from (select d.number, d.purpose, d.payee, u.fen, d.amount_fen, d.paid_at, d.acknowledged_at
		from (select disbursement_id, sum(amount_fen) as fen from gift_use where public_code = p_public_code group by 1 having sum(amount_fen) > 0) u
		join disbursement d on d.id = u.disbursement_id order by d.paid_at, d.number limit 500) s
$$;

-- What was decided is seen by who sees the disbursement; what is held, by the unit.
alter table disbursement_approval enable row level security;
create policy disbursement_approval_staff on disbursement_approval for select using (current_kind() = 'staff'
	and exists (select from disbursement d where d.id = disbursement_id));
alter table gift_use enable row level security;
create policy gift_use_seen on gift_use for select using (exists (select from disbursement d where d.id = disbursement_id));
alter table hold enable row level security;
create policy hold_staff on hold for select using (current_kind() = 'staff' and in_my_organization((select organization from fund f where f.id = fund_id)));

-- A campaign's fund holds what its gifts have left, and what is on its way back; nothing else moves it.
create or replace view ledger_disagreement as
select 'account' as what, coalesce(a.name, p.account) as which, account_balance(a.name) as says, coalesce(p.fen, 0)::bigint as postings
from account a full join (select account, sum(fen) as fen from posting group by account) p on p.account = a.name
where account_balance(a.name) is distinct from coalesce(p.fen, 0)
union all
select 'entry', entry_id::text, 0, sum(fen)::bigint from posting group by entry_id having sum(fen) <> 0
union all
select 'gift', coalesce(m.gift_id, p.gift_id)::text, m.net::bigint, -p.fen::bigint
from (select gift_id, sum(amount_fen) as net from money_entry group by gift_id) m
full join (select p.gift_id, sum(p.fen) as fen from posting p join entry e on e.id = p.entry_id
	where e.kind in ('gift.received', 'gift.refunded') and p.account like 'fund:%' group by p.gift_id) p on p.gift_id = m.gift_id
where m.net is distinct from -p.fen
union all
select 'disbursement', d.number, d.amount_fen, coalesce(p.fen, 0)::bigint
from disbursement d left join lateral (select sum(x.fen) as fen from posting x join entry e on e.id = x.entry_id join fund f on f.id = d.fund_id
	where (e.id = d.id or e.reverses = d.id) and x.account = 'fund:' || f.code) p on true
where coalesce(p.fen, 0) <> case when d.state in ('PAID', 'ACKNOWLEDGED') then d.amount_fen else 0 end;

-- Another unit whose code ends alike would share the fund.
create or replace function inkind_fund(p_organization text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_code text := 'goods.' || regexp_replace(p_organization, '^.*/', '');
begin
	insert into fund (code, kind, name, organization) values (v_code, 'EARMARKED', '捐赠物资', p_organization) on conflict (code) do nothing;
	if (select organization from fund where code = v_code) is distinct from p_organization then
		perform refuse('inkind_organization', 'another unit has a fund of this code');
	end if;
	insert into account (name, kind) values ('inkind:' || v_code, 'inkind') on conflict (name) do nothing;
	return v_code;
end $$;

-- The representative's name goes when the representative is forgotten, not when the donor is; and no count is of tomorrow.
create or replace function inkind_count_record(p_id uuid, p_on date, p_today date, p_lines json, p_sheet text, p_representative bytea, p_key_id uuid, p_wrapped_key bytea,
	p_representative_subject uuid) returns inkind_gift
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g inkind_gift := inkind_take(p_id, 'ACCEPTED');
begin
	if current_kind() is distinct from 'staff' then
		perform refuse('inkind_staff_only', 'the Red Cross counts');
	end if;
	if p_on not between (g.accepted_at at time zone 'Asia/Shanghai')::date and least(p_today, (now() at time zone 'Asia/Shanghai')::date) then
		perform refuse('inkind_counted_on', 'counted before it was accepted, or not yet');
	end if;
	insert into person_key (key_id, subject, wrapped_key) values (p_key_id, coalesce(p_representative_subject, p_id), p_wrapped_key);
	insert into inkind_count (gift_id, counted_by, counted_on, representative, key_id, representative_subject, sheet_sha256)
	values (p_id, current_subject(), p_on, p_representative, p_key_id, p_representative_subject, p_sheet);
	insert into inkind_count_line (gift_id, line_no, quantity, note)
	select p_id, (l ->> 'line_no')::smallint, (l ->> 'quantity')::bigint, l ->> 'note' from json_array_elements(p_lines) l;
	if (select count(*) from inkind_count_line where gift_id = p_id) <> (select count(*) from inkind_line where gift_id = p_id) then
		perform refuse('inkind_count_incomplete', 'every line is counted');
	end if;
	if not exists (select from inkind_count_line where gift_id = p_id and quantity > 0) then
		perform refuse('inkind_count_empty', 'nothing was there');
	end if;
	update inkind_gift set state = 'COUNTED', counted_by = current_subject(), counted_at = now() where id = p_id returning * into g;
	return g;
end $$;

revoke execute on function disbursement_case_guard, approval_rule_for, disbursement_refuse, disbursement_acknowledge from public;
grant execute on function disbursement_refuse, disbursement_acknowledge to yg_donations;
