-- Money that is no gift: lottery funds (彩票公益金), appropriations (财政), fees (会费) arrive by bank, are recorded by one with the digest of the
-- document, and booked by another. Gifts come as gifts, so a fund of donations has no incomes.

create table fund_income (
	id uuid primary key,
	fund_id uuid not null constraint fund_income_fund references fund (id),
	organization text not null,
	amount_fen bigint not null,
	payer text not null constraint fund_income_payer check (payer !~ '[0-9]{7}'), -- an office or a unit: public, and no number that could be somebody's
	bank_reference text not null,
	document_sha256 text not null,
	received_at timestamptz not null,
	state text not null default 'PROPOSED',
	proposed_by uuid not null,
	proposed_at timestamptz not null default now(),
	decided_by uuid,
	decided_at timestamptz,
	reason text,
	constraint fund_income_amount check (amount_fen > 0),
	constraint fund_income_own check (decided_by <> proposed_by or state = 'REFUSED'),
	constraint fund_income_state_consistent check (case state when 'PROPOSED' then decided_at is null when 'BOOKED' then decided_by is not null and decided_at is not null
		when 'REFUSED' then decided_by is not null and decided_at is not null and reason is not null else false end)
);
create unique index fund_income_bank_taken on fund_income (bank_reference) where state <> 'REFUSED';
create index fund_income_newest on fund_income (id desc);
create trigger fund_income_kept before delete on fund_income for each row execute function append_only();
create function fund_income_before_update() returns trigger
language plpgsql as $$
begin
	if old.state <> 'PROPOSED' or (new.id, new.fund_id, new.organization, new.amount_fen, new.payer, new.bank_reference, new.document_sha256, new.received_at, new.proposed_by)
		is distinct from (old.id, old.fund_id, old.organization, old.amount_fen, old.payer, old.bank_reference, old.document_sha256, old.received_at, old.proposed_by) then
		perform refuse('fund_income_fixed', 'what was recorded does not change');
	end if;
	return new;
end $$;
create trigger fund_income_before_update before update on fund_income for each row execute function fund_income_before_update();

-- A line of the bank statement is one gift or one income. (That an income has it is asked by whoever books a transfer.)
create function bank_line_gift(p_reference text) returns boolean
language sql stable security definer set search_path = donations, pg_temp as $$
	select exists (select from pay_order where transaction_id = 'bank:' || p_reference)
$$;
create function bank_line_income(p_reference text) returns boolean
language sql stable security definer set search_path = donations, pg_temp as $$
	select exists (select from fund_income where bank_reference = p_reference and state <> 'REFUSED')
$$;

create function fund_income_propose(p_id uuid, p_fund text, p_amount_fen bigint, p_payer text, p_bank_reference text, p_document text, p_received_at timestamptz, p_by uuid)
returns fund_income
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund;
	i fund_income;
begin
	select * into f from fund where code = p_fund and state = 'OPEN' and in_my_organization(organization);
	if f.id is null then
		perform refuse('fund_income_fund', 'no such fund of the unit');
	elsif f.source = 'DONATION' then
		perform refuse('fund_income_source', 'donations come as gifts');
	elsif p_received_at > now() + interval '5 minutes' or p_received_at < now() - interval '400 days' then
		perform refuse('fund_income_received_at', 'not yet received, or long ago');
	elsif bank_line_gift(p_bank_reference) then
		perform refuse('fund_income_bank_taken', 'it was booked as a gift');
	end if;
	insert into fund_income (id, fund_id, organization, amount_fen, payer, bank_reference, document_sha256, received_at, proposed_by)
	values (p_id, f.id, f.organization, p_amount_fen, p_payer, p_bank_reference, p_document, p_received_at, p_by) returning * into i;
	return i;
end $$;

create function fund_income_take(p_id uuid) returns fund_income
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	i fund_income;
begin
	select * into i from fund_income where id = p_id and in_my_organization(organization) for update;
	if i.id is null then
		perform refuse('fund_income_unknown', 'no such income of the unit');
	elsif i.state <> 'PROPOSED' then
		perform refuse('fund_income_fixed', i.state);
	end if;
	return i;
end $$;

create function fund_income_approve(p_id uuid, p_by uuid) returns fund_income
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	i fund_income := fund_income_take(p_id);
	f fund;
	v_at timestamptz := greatest(i.received_at, (select max(ends_at) from period)); -- of a month that is closed: the first moment that is open
begin
	if i.proposed_by = p_by then
		perform refuse('fund_income_own', 'who recorded it does not book it');
	end if;
	select * into f from fund where id = i.fund_id;
	if f.state <> 'OPEN' then
		perform refuse('fund_income_fund', 'the fund is not open');
	elsif bank_line_gift(i.bank_reference) then
		perform refuse('fund_income_bank_taken', 'it was booked as a gift');
	end if;
	if ledger_post(p_id, 'fund.received', v_at, json_build_array(json_build_object('account', 'bank:transfer', 'fen', i.amount_fen),
		json_build_object('account', 'fund:' || f.code, 'fen', -i.amount_fen)), f.source, null) <> 'created' then
		perform refuse('fund_income_fixed', 'its entry is there already');
	end if;
	update fund_income set state = 'BOOKED', decided_by = p_by, decided_at = now() where id = p_id returning * into i;
	insert into entry_leaf (entry_id, event_id)
	select p_id, outbox_leaf('fund.received', p_id::text, json_build_object('fund_id', f.id, 'income_id', p_id), 'fund.received', f.code, v_at,
		json_build_object('source', f.source, 'amount_fen', i.amount_fen, 'payer', i.payer, 'document_sha256', i.document_sha256, 'received_at', rfc3339(i.received_at)),
		null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = p_id));
	return i;
end $$;

create function fund_income_refuse(p_id uuid, p_by uuid, p_reason text) returns fund_income
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	i fund_income := fund_income_take(p_id);
begin
	update fund_income set state = 'REFUSED', decided_by = p_by, decided_at = now(), reason = p_reason where id = p_id returning * into i;
	return i;
end $$;

alter table fund_income enable row level security;
create policy fund_income_staff on fund_income for select using (current_kind() = 'staff' and in_my_organization(organization));
grant select on fund_income to yg_donations;
revoke execute on function bank_line_gift, bank_line_income, fund_income_before_update, fund_income_propose, fund_income_take, fund_income_approve, fund_income_refuse from public;
grant execute on function bank_line_income, fund_income_propose, fund_income_approve, fund_income_refuse to yg_donations;
