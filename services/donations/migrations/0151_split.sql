-- One payment split into several (化整为零) stays one: what a unit agreed to pay one payee within the window counts together, for the level of
-- approval, for the collective decision, and for what was delegated to a township. So do its transfers to the same funds.

-- How many days count together, by date of force: data, as the levels are. Thirty are our choice: the procurement law counts a whole year
-- (政府采购法实施条例 art. 28), which would put every monthly bill before the committee.
create table approval_window (
	effective_from date primary key,
	days smallint not null,
	constraint approval_window_range check (days between 1 and 366)
);
create trigger approval_window_kept before update or delete on approval_window for each row execute function append_only();
insert into approval_window (effective_from, days) values ('2016-01-01', 30);
grant select on approval_window to yg_donations;
create function approval_window_begins() returns timestamptz
language sql volatile security definer set search_path from current as $$
	select now() - make_interval(days => (select days from approval_window where effective_from <= business_day() order by effective_from desc limit 1))
$$;

-- A payee is who he is however he is written: width and case of letters, spaces, points, brackets and what cannot be seen make no other one.
create function payee_key(p_payee text) returns text
language sql immutable parallel safe as $$
	select lower(regexp_replace(normalize(p_payee, NFKC), '[\s!-/:-@\[-`{-~·‧・。、，；：？！（）《》〈〉【】「」『』“”‘’—–…\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufe00-\ufe0f\ufeff]', '', 'g'))
$$;

-- When it was approved, and how much counted then.
alter table disbursement add column approved_at timestamptz, add column counted_fen bigint;
alter table disbursement disable trigger user;
update disbursement d set approved_at = a.at, counted_fen = d.amount_fen
from (select disbursement_id, max(approved_at) as at from disbursement_approval group by 1) a
where a.disbursement_id = d.id and (d.state in ('APPROVED', 'PAID', 'ACKNOWLEDGED', 'REVERSED')
	or (d.state = 'REFUSED' and exists (select from hold h where h.id = d.id)));
alter table disbursement enable trigger user;
create index disbursement_by_payee on disbursement (payee_key(payee), organization) where state in ('APPROVED', 'PAID', 'ACKNOWLEDGED');

-- It and what else the unit agreed to pay the same payee in the window; with p_below also what units below it agreed to. What was refused
-- or came back counts no more; what was approved and not paid yet counts, however long ago.
create function disbursement_counted(d disbursement, p_unit text, p_below boolean) returns bigint
language sql volatile security definer set search_path from current as $$
	select d.amount_fen + coalesce((select sum(o.amount_fen) from disbursement o
		where payee_key(o.payee) = payee_key(d.payee) and o.state in ('APPROVED', 'PAID', 'ACKNOWLEDGED') and o.id <> d.id
			and (o.organization = p_unit or (p_below and starts_with(o.organization, p_unit || '/')))
			and (o.state = 'APPROVED' or o.approved_at > approval_window_begins())), 0)::bigint
$$;
-- Those who agree to payments of one payee wait for each other. Always behind the disbursement's row and before the fund's account.
create function payee_lock(p_payee text) returns void
language sql volatile security definer set search_path from current as $$
	select pg_advisory_xact_lock(hashtext('donations.payee'), hashtext(payee_key(p_payee)))
$$;

-- What the amount asks for, by the rule of the day on which it was drafted.
create function disbursement_rule(d disbursement) returns approval_rule
language sql volatile security definer set search_path from current as $$
	select approval_rule_for(disbursement_counted(d, d.organization, false), (d.created_at at time zone 'Asia/Shanghai')::date)
$$;
create or replace function disbursement_decided(d disbursement) returns boolean
language sql volatile security definer set search_path from current as $$
	select not (disbursement_rule(d)).decision
		or coalesce((select carried from decision where disbursement_id = d.id and version = d.version order by recorded_at desc, id desc limit 1), false)
$$;

create function disbursement_approved_at() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	if new.state = 'APPROVED' and old.state <> 'APPROVED' then
		new.approved_at := now();
		new.counted_fen := disbursement_counted(new, new.organization, false);
	elsif (new.approved_at, new.counted_fen) is distinct from (old.approved_at, old.counted_fen) then
		perform refuse('disbursement_fixed', 'when it was approved does not change');
	end if;
	return new;
end $$;
create trigger disbursement_approved_at before insert or update on disbursement for each row execute function disbursement_approved_at();

create or replace function disbursement_approve(p_id uuid, p_by uuid) returns disbursement
language plpgsql security definer set search_path from current as $$
declare
	d disbursement := disbursement_take(p_id, 'DRAFT');
	v_rule approval_rule;
	v_cap bigint;
begin
	if d.created_by = p_by then
		perform refuse('disbursement_own', 'the author does not approve');
	end if;
	perform payee_lock(d.payee);
	v_rule := disbursement_rule(d);
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

-- The leaf of an approval says how much counted, where that is more than the amount.
create or replace function disbursement_leaf(d disbursement, p_what text, p_at timestamptz, p_entry uuid, p_after uuid) returns uuid
language sql volatile security definer set search_path from current as $$
	select outbox_leaf('disbursement.' || p_what, d.id::text, json_build_object('disbursement_id', d.id, 'number', d.number), 'disbursement.' || p_what, d.number, p_at,
		json_build_object('fund', (select code from fund where id = d.fund_id), 'amount_fen', d.amount_fen, 'purpose', d.purpose, 'payee_kind', d.payee_kind,
			'payee', d.payee, 'document_sha256', d.document_sha256, 'evidence_sha256', d.evidence_sha256, 'decision_no', d.decision_no,
			'related_party', case when d.related_party then true end, 'reason', d.reason, 'earmark', d.earmark,
			'counted_fen', case when p_what = 'approved' then nullif(d.counted_fen, d.amount_fen) end),
		null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = p_entry),
		case when p_after is not null then json_build_array(p_after) end)
$$;

-- An old draft does not carry an old rule to what is new in it: as before, by what counts.
create or replace function disbursement_update(p_id uuid, p_patch json, p_version text) returns disbursement
language plpgsql security definer set search_path from current as $$
declare
	d disbursement := disbursement_take(p_id, 'DRAFT');
	n disbursement;
	v_counted bigint;
begin
	if d.created_by is distinct from current_subject() then
		perform refuse('disbursement_drafter', 'only its author changes a draft');
	elsif p_version is null or p_version not in (d.version::text, '*') then
		return null;
	end if;
	n := json_populate_record(d, (select json_object_agg(key, value) from json_each(p_patch)
		where key in ('amount_fen', 'purpose', 'payee_kind', 'payee', 'document_sha256', 'decision_no', 'related_party')));
	n.related_party := coalesce(n.related_party, false);
	if n is not distinct from d then
		return d;
	end if;
	v_counted := disbursement_counted(n, n.organization, false);
	if (select (r.approvals, r.decision) from approval_rule_for(v_counted, (d.created_at at time zone 'Asia/Shanghai')::date) r)
		is distinct from (select (r.approvals, r.decision) from approval_rule_for(v_counted, business_day()) r) then
		perform refuse('disbursement_rule_changed', 'an old draft does not carry an old rule to what is new in it'); -- the rule is that of the day it was drafted
	end if;
	insert into disbursement_approval_void (disbursement_id, version, approved_by, approved_at)
	select a.disbursement_id, d.version, a.approved_by, a.approved_at from disbursement_approval a where a.disbursement_id = p_id;
	delete from disbursement_approval where disbursement_id = p_id;
	update disbursement set version = version + 1, amount_fen = n.amount_fen, purpose = n.purpose, payee_kind = n.payee_kind, payee = n.payee,
		document_sha256 = n.document_sha256, decision_no = n.decision_no, related_party = n.related_party
	where id = p_id returning * into d;
	return d;
end $$;

-- ── what was delegated ──
-- A limit holds for what counts at the unit to which it was given, and below it.
drop function fund_delegated;
create or replace function disbursement_delegated() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	if exists (select from disbursement d join fund f on f.id = d.fund_id cross join lateral fund_delegation(f) l
		where d.id = new.disbursement_id and not starts_with(l.organization, coalesce(nullif(current_setting('yg.organization', true), ''), '-') || '/')
			and disbursement_counted(d, l.organization, true) > l.delegated_fen) then
		perform refuse('disbursement_above_delegation', 'the unit above approves this amount');
	end if;
	return new;
end $$;

-- ── transfers ──
-- It and what else was moved from funds of the unit to one of the same funds in the window. Whoever books has locked their accounts.
create function fund_move_counted(m fund_move, p_unit text, p_below boolean) returns bigint
language sql volatile security definer set search_path from current as $$
	select m.amount_fen + coalesce((select sum(l.amount_fen) from fund_move o join fund_move_line l on l.move_id = o.id
		where o.state = 'BOOKED' and o.id <> m.id and o.decided_at > approval_window_begins()
			and (o.organization = p_unit or (p_below and starts_with(o.organization, p_unit || '/')))
			and l.to_fund in (select to_fund from fund_move_line where move_id = m.id)), 0)::bigint
$$;
create or replace function fund_move_delegated() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	if exists (select from fund f cross join lateral fund_delegation(f) l
		where f.id = new.from_fund and not starts_with(l.organization, coalesce(nullif(current_setting('yg.organization', true), ''), '-') || '/')
			and fund_move_counted(new, l.organization, true) > l.delegated_fen) then
		perform refuse('disbursement_above_delegation', 'the unit above approves this amount');
	elsif new.decision_no is null
		and (approval_rule_for(fund_move_counted(new, new.organization, false), (new.proposed_at at time zone 'Asia/Shanghai')::date)).decision then
		perform refuse('fund_move_decision_missing', 'a collective decision must be named');
	end if;
	return new;
end $$;
create index fund_move_line_by_fund on fund_move_line (to_fund);

revoke execute on function approval_window_begins, payee_key, disbursement_counted, payee_lock, disbursement_rule, disbursement_approved_at, fund_move_counted from public;
grant execute on function payee_key, disbursement_counted, disbursement_rule to yg_donations;
