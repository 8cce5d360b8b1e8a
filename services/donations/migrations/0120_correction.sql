-- What staff post by hand: an entry is turned back (with a reason and a document), or money moves between accounts that are no fund's (a
-- bank's fee). One proposes, another books; the login role may read, every change is a function of the owner.

-- Entries that are turned back this way. All others have a way of their own (a disbursement's reversal, a gift's refund).
create table correction_kind (kind text primary key);
insert into correction_kind values ('staff.posted'), ('goods.received');
-- Between which kinds of accounts staff may post. Funds are in none of them: what lowers a fund is a disbursement.
create table posting_rule (
	debit text not null,
	credit text not null,
	primary key (debit, credit)
);
insert into posting_rule values ('expense', 'bank'), ('bank', 'expense'), ('bank', 'bank');
insert into account (name, kind) values ('expense:bank-fee', 'expense');

create table correction (
	id uuid primary key, -- made by the client: a repeat is known by it. The entry has an id of its own, so that none can be taken from a gift
	kind text not null,
	reverses uuid constraint correction_reverses references entry (id),
	debit text,
	credit text,
	amount_fen bigint,
	occurred_at timestamptz,
	reason text not null,
	document_sha256 text not null,
	organization text not null,
	state text not null default 'PROPOSED',
	proposed_by uuid not null,
	proposed_at timestamptz not null default now(),
	decided_by uuid,
	decided_at timestamptz,
	refusal text,
	entry_id uuid constraint correction_entry_once unique constraint correction_entry references entry (id),
	constraint correction_whole check (case kind when 'REVERSAL' then reverses is not null and num_nonnulls(debit, credit, amount_fen, occurred_at) = 0
		when 'ENTRY' then reverses is null and num_nonnulls(debit, credit, amount_fen) = 3 and debit <> credit else false end),
	constraint correction_amount_positive check (amount_fen > 0),
	constraint correction_document_form check (document_sha256 ~ '^[0-9a-f]{64}$'),
	constraint correction_state_consistent check (case state when 'PROPOSED' then num_nonnulls(decided_by, decided_at, refusal, entry_id) = 0
		when 'BOOKED' then num_nonnulls(decided_by, decided_at, entry_id) = 3 and refusal is null
		when 'REFUSED' then num_nonnulls(decided_by, decided_at, refusal) = 3 and entry_id is null else false end),
	constraint correction_four_eyes check (state <> 'BOOKED' or decided_by <> proposed_by)
);
create unique index correction_once on correction (reverses) where state <> 'REFUSED';
create index correction_newest on correction (proposed_at desc, id desc);
create function correction_kept() returns trigger
language plpgsql as $$
begin
	if tg_op = 'DELETE' or old.state <> 'PROPOSED' or (new.id, new.kind, new.reverses, new.debit, new.credit, new.amount_fen, new.occurred_at, new.reason, new.document_sha256,
		new.organization, new.proposed_by, new.proposed_at) is distinct from (old.id, old.kind, old.reverses, old.debit, old.credit, old.amount_fen, old.occurred_at, old.reason,
		old.document_sha256, old.organization, old.proposed_by, old.proposed_at) then
		perform refuse('correction_fixed', 'what was proposed or decided does not change');
	end if;
	return new;
end $$;
create trigger correction_kept before update or delete on correction for each row execute function correction_kept();

-- Whose entry it is: of the unit whose funds it touches; where there is no fund, or one of another unit, the topmost unit's. Null: not the caller's.
create function entry_unit(p_entry uuid) returns text
language sql stable security definer set search_path = donations, pg_temp as $$
	select case when current_kind() <> 'staff' then null
		when count(f.organization) = 0 then case when is_topmost() then current_setting('yg.organization', true) end
		when bool_and(in_my_organization(f.organization)) then case when count(distinct f.organization) = 1 then min(f.organization) else current_setting('yg.organization', true) end end
	from entry e join posting p on p.entry_id = e.id left join fund f on 'fund:' || f.code = p.account where e.id = p_entry having count(*) > 0
$$;

create function correction_propose(p_id uuid, p_reverses uuid, p_debit text, p_credit text, p_amount_fen bigint, p_occurred_at timestamptz, p_reason text, p_document text,
	out it correction, out existed boolean)
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_unit text;
begin
	select * into it from correction where id = p_id;
	existed := it.id is not null;
	if not existed then
		if p_reverses is not null then
			v_unit := entry_unit(p_reverses);
			perform refuse(why, said) from (select case when v_unit is null then 'correction_entry_unknown'
				when not exists (select from correction_kind k join entry e on e.kind = k.kind where e.id = p_reverses and e.reverses is null) then 'entry_not_reversible'
				when exists (select from entry where reverses = p_reverses) then 'entry_reversed_once' end as why,
				'the unit has no such entry, or it is not turned back this way' as said) x where why is not null;
		else
			perform refuse(why, said) from (select case when not is_topmost() then 'correction_topmost'
				when (select count(*) from account where name in (p_debit, p_credit)) < 2 then 'account_unknown'
				when not exists (select from posting_rule where debit = split_part(p_debit, ':', 1) and credit = split_part(p_credit, ':', 1)) then 'correction_accounts'
				when p_occurred_at > now() + interval '5 minutes' then 'correction_occurred_at' end as why,
				'two accounts of the ledger between which staff post, not ahead of time' as said) x where why is not null;
			v_unit := current_setting('yg.organization', true);
		end if;
		insert into correction (id, kind, reverses, debit, credit, amount_fen, occurred_at, reason, document_sha256, organization, proposed_by)
		values (p_id, case when p_reverses is null then 'ENTRY' else 'REVERSAL' end, p_reverses, p_debit, p_credit, p_amount_fen, p_occurred_at, p_reason, p_document, v_unit, current_subject())
		on conflict (id) do nothing returning * into it;
		if it.id is not null then
			return;
		end if;
		existed := true; -- somebody was as fast
		select * into it from correction where id = p_id;
	end if;
	if (it.reverses, it.debit, it.credit, it.amount_fen, it.occurred_at, it.reason, it.document_sha256, it.proposed_by)
		is distinct from (p_reverses, p_debit, p_credit, p_amount_fen, p_occurred_at, p_reason, p_document, current_subject()) then
		perform refuse('correction_conflict', 'this id says something else');
	end if;
end $$;

-- The row, locked, if the caller may see it and nobody decided.
create function correction_take(p_id uuid) returns correction
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	c correction;
begin
	select * into c from correction where id = p_id and current_kind() = 'staff' and in_my_organization(organization) for update;
	if c.id is null then
		perform refuse('correction_unknown', 'no such correction of the unit');
	elsif c.state <> 'PROPOSED' then
		perform refuse('correction_fixed', c.state);
	end if;
	return c;
end $$;

-- A reversal is booked now, which is in the open month whatever month it corrects; so is money of a month that was closed meanwhile.
create function correction_book(p_id uuid, p_entry uuid) returns correction
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	c correction := correction_take(p_id);
	v_at timestamptz;
	v_event uuid;
begin
	if c.proposed_by = current_subject() then
		perform refuse('correction_own', 'who proposed it does not book it');
	elsif exists (select from gift where id = p_entry) or exists (select from refund where id = p_entry) then
		perform refuse('correction_conflict', 'the id is a gift''s or a refund''s, whose own entry will have it');
	end if;
	v_at := case when c.occurred_at >= coalesce((select max(ends_at) from period), '-infinity') then c.occurred_at else now() end;
	if ledger_post(p_entry, case c.kind when 'REVERSAL' then 'correction' else 'staff.posted' end, v_at, case c.kind
		when 'REVERSAL' then (select json_agg(json_build_object('account', account, 'fen', -fen) order by seq) from posting where entry_id = c.reverses)
		else json_build_array(json_build_object('account', c.debit, 'fen', c.amount_fen), json_build_object('account', c.credit, 'fen', -c.amount_fen)) end,
		c.reason, c.reverses) <> 'created' then
		perform refuse('correction_conflict', 'the entry is another one');
	end if;
	v_event := outbox_leaf('ledger.posted', p_entry::text, json_build_object('entry_id', p_entry, 'correction_id', p_id),
		case c.kind when 'REVERSAL' then 'correction.published' else 'ledger.posted' end, p_entry::text, v_at,
		json_build_object('kind', case c.kind when 'REVERSAL' then 'correction' else 'staff.posted' end, 'reason', c.reason, 'document_sha256', c.document_sha256, 'reverses', c.reverses),
		null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = p_entry),
		(select json_build_array(event_id) from entry_leaf where entry_id = c.reverses));
	insert into entry_leaf (entry_id, event_id) values (p_entry, v_event);
	update correction set state = 'BOOKED', decided_by = current_subject(), decided_at = now(), entry_id = p_entry where id = p_id returning * into c;
	return c;
end $$;

create function correction_refuse(p_id uuid, p_reason text) returns correction
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	c correction := correction_take(p_id);
begin
	update correction set state = 'REFUSED', decided_by = current_subject(), decided_at = now(), refusal = p_reason where id = p_id returning * into c;
	return c;
end $$;

alter table correction enable row level security;
create policy correction_staff on correction for select using (current_kind() = 'staff' and in_my_organization(organization));
grant select on correction_kind, posting_rule, correction to yg_donations;
revoke execute on function correction_kept, entry_unit, correction_propose, correction_take, correction_book, correction_refuse from public;
grant execute on function entry_unit, correction_propose, correction_book, correction_refuse to yg_donations;
