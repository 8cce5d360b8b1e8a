-- The ledger: accounts, entries, postings, holds, funds. Debit is positive, credit negative: a gift is `bank:… +n`, `fund:… -n`.
-- money_entry stays the gifts' side of it: each of its rows makes exactly one entry here, in the same statement, and nothing else can.

create table account (
	name text primary key,
	kind text not null,
	-- -1: the balance must not rise above 0 (a fund is not overdrawn); null: no floor
	side smallint,
	created_at timestamptz not null default now(),
	constraint account_name_form check (name ~ '^(bank|fund|payable|expense|inkind):[0-9A-Za-z._-]{1,60}$' and split_part(name, ':', 1) = kind),
	constraint account_side_known check (side in (-1, 1))
);
create trigger account_kept before update or delete on account for each row execute function append_only();
insert into account (name, kind) values ('bank:wechat', 'bank'), ('bank:transfer', 'bank');

create table fund (
	id uuid primary key default gen_random_uuid(),
	code text not null constraint fund_code_taken unique,
	kind text not null,
	source text not null default 'DONATION',
	name text not null,
	organization text not null,
	campaign_id uuid constraint fund_campaign_once unique,
	created_at timestamptz not null default now(),
	constraint fund_kind_known check (kind in ('UNRESTRICTED', 'EARMARKED', 'APPEAL', 'NAMED', 'TOWNSHIP')),
	constraint fund_source_known check (source in ('DONATION', 'LOTTERY', 'FISCAL', 'FEE')),
	constraint fund_appeal_campaign check ((kind = 'APPEAL') = (campaign_id is not null)),
	constraint fund_code_form check (code ~ '^[0-9A-Za-z._-]{1,60}$')
);
create trigger fund_kept before delete on fund for each row execute function append_only();

create function fund_account() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if tg_op = 'UPDATE' then
		if (new.id, new.code, new.kind, new.source, new.organization, new.campaign_id)
			is distinct from (old.id, old.code, old.kind, old.source, old.organization, old.campaign_id) then
			perform refuse('fund_fixed', 'only the name of a fund changes');
		end if;
	else
		insert into account (name, kind, side) values ('fund:' || new.code, 'fund', -1);
	end if;
	return null;
end $$;
create trigger fund_account after insert or update on fund for each row execute function fund_account();

-- Every campaign has one appeal fund, whose code is the campaign's id.
create function campaign_fund() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	insert into fund (id, code, kind, name, organization, campaign_id)
	values (new.id, new.id::text, 'APPEAL', new.title, new.organization, new.id);
	return null;
end $$;
create trigger campaign_fund after insert on campaign for each row execute function campaign_fund();
insert into fund (id, code, kind, name, organization, campaign_id) select id, id::text, 'APPEAL', title, organization, id from campaign;

create function fund_of_campaign(campaign uuid) returns uuid
language sql stable security definer set search_path = donations, pg_temp as $$
	select id from fund where campaign_id = campaign
$$;

create table entry (
	id uuid primary key,
	kind text not null,
	occurred_at timestamptz not null,
	recorded_at timestamptz not null default now(),
	reason text,
	reverses uuid constraint entry_reversed_once unique constraint entry_reverses_known references entry (id),
	body text not null -- what the same id must say again
);
create trigger entry_append_only before update or delete on entry for each row execute function append_only();

-- No foreign key to account (its row would be locked by every gift): ledger_post looks, and no account is ever deleted.
create table posting (
	seq bigint primary key default money_entry_next(),
	entry_id uuid not null constraint posting_entry references entry (id),
	account text not null,
	fen bigint not null,
	gift_id uuid,
	constraint posting_amount check (fen <> 0)
);
create index posting_by_entry on posting (entry_id);
create index posting_by_account on posting (account, seq) include (fen);
create trigger posting_append_only before update or delete on posting for each row execute function append_only();

create function entry_balanced() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select sum(fen) from posting where entry_id = (coalesce(to_json(new) ->> 'entry_id', to_json(new) ->> 'id'))::uuid) is distinct from 0 then
		perform refuse('entry_unbalanced', 'the postings of an entry sum to 0');
	end if;
	return null;
end $$;
create constraint trigger entry_balanced after insert on entry
	deferrable initially deferred for each row execute function entry_balanced();
create constraint trigger posting_balanced after insert on posting
	deferrable initially deferred for each row execute function entry_balanced();

-- Folded by totals_fold up to the same number as campaign_total: postings draw from the same sequence.
create table account_total (
	account text primary key,
	fen bigint not null
);
create function account_balance(p_account text) returns bigint
language sql stable security definer set search_path = donations, pg_temp as $$
	select (coalesce((select fen from account_total where account = p_account), 0)
	     + coalesce((select sum(fen) from posting where account = p_account and seq > (select folded from fold_state)), 0))::bigint
$$;

create table hold (
	id uuid primary key,
	fund_id uuid not null constraint hold_fund references fund (id),
	fen bigint not null,
	expires_at timestamptz not null,
	purpose text not null,
	state text not null default 'PENDING',
	entry_id uuid constraint hold_entry references entry (id),
	reason text,
	created_at timestamptz not null default now(),
	constraint hold_amount_positive check (fen > 0),
	constraint hold_state_consistent check (case state when 'PENDING' then entry_id is null when 'POSTED' then entry_id is not null
		when 'VOID' then reason is not null and entry_id is null else false end)
);
create index hold_pending on hold (fund_id, expires_at) where state = 'PENDING';

-- What may still be spent: the balance less pending holds and refunds that are under way.
create function fund_available(p_fund uuid) returns bigint
language sql stable security definer set search_path = donations, pg_temp as $$
	select (-account_balance('fund:' || f.code)
	     - coalesce((select sum(h.fen) from hold h where h.fund_id = f.id and h.state = 'PENDING' and h.expires_at > now()), 0)
	     - coalesce((select sum(r.amount_fen) from refund r join pay_order o using (out_trade_no)
	                 where r.state in ('REQUESTED', 'PROCESSING', 'ABNORMAL', 'FAILED') and o.campaign_id = f.campaign_id), 0))::bigint
	from fund f where f.id = p_fund
$$;

-- Once a gift's money can be spent, this says how much of it was.
create function gift_spent_fen(p_gift uuid) returns bigint
language sql stable security definer set search_path = donations, pg_temp as $$ select 0::bigint $$;

-- Posts an entry: `created`, `exists` (same id, same body) or `conflict`. Entries that only raise a fund lock nothing.
create function ledger_post(p_id uuid, p_kind text, p_occurred_at timestamptz, p_postings json, p_reason text, p_reverses uuid) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_body text := md5(jsonb_build_array(p_kind, extract(epoch from p_occurred_at), p_postings::jsonb, p_reason, p_reverses)::text);
	a text;
begin
	if p_kind in ('gift.received', 'gift.refunded') then
		perform refuse('entry_kind_reserved', 'gifts and refunds are posted by their own rows');
	end if;
	insert into entry (id, kind, occurred_at, reason, reverses, body)
	values (p_id, p_kind, p_occurred_at, p_reason, p_reverses, v_body) on conflict (id) do nothing;
	if not found then
		return case when (select body from entry where id = p_id) = v_body then 'exists' else 'conflict' end;
	end if;
	if p_reverses is not null then
		if exists (select from entry where id = p_reverses and (reverses is not null or kind in ('gift.received', 'gift.refunded'))) then
			perform refuse('entry_not_reversible', 'a reversal, a gift or a refund is not reversed');
		end if;
		if exists ((select account, sum(fen) from (select account, fen from posting where entry_id = p_reverses
			union all select p ->> 'account', (p ->> 'fen')::bigint from json_array_elements(p_postings) p) s group by account having sum(fen) <> 0)) then
			perform refuse('entry_reversal_differs', 'a reversal is the entry with the signs turned');
		end if;
	end if;
	if exists (select from json_array_elements(p_postings) p where not exists (select from account where name = p ->> 'account')) then
		perform refuse('account_unknown', 'no such account');
	end if;
	if (select count(distinct f.source) from json_array_elements(p_postings) p join fund f on 'fund:' || f.code = p ->> 'account') > 1 then
		perform refuse('fund_source_mixed', 'money does not move between classes of sources');
	end if;
	-- in the order of their names, so that nothing can wait in a circle
	perform from account where side is not null and name in (select p ->> 'account' from json_array_elements(p_postings) p
		group by 1 having sum((p ->> 'fen')::bigint) * side < 0) order by name for update;
	insert into posting (entry_id, account, fen, gift_id)
	select p_id, p ->> 'account', (p ->> 'fen')::bigint, (p ->> 'gift_id')::uuid from json_array_elements(p_postings) p;
	for a in select c.name from account c where c.side is not null and exists (select from json_array_elements(p_postings) p
		where p ->> 'account' = c.name group by p ->> 'account' having sum((p ->> 'fen')::bigint) * c.side < 0) and account_balance(c.name) * c.side < 0 loop
		perform refuse('account_floor', format('%s would be overdrawn', a));
	end loop;
	return 'created';
end $$;

create function ledger_hold(p_id uuid, p_fund uuid, p_fen bigint, p_expires_at timestamptz, p_purpose text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	h hold;
begin
	perform from account where name = (select 'fund:' || code from fund where id = p_fund) for update;
	select * into h from hold where id = p_id;
	if found then
		return case when (h.fund_id, h.fen, h.purpose) = (p_fund, p_fen, p_purpose) then 'exists' else 'conflict' end;
	end if;
	if fund_available(p_fund) < p_fen then
		perform refuse('account_floor', 'more than the fund can spend');
	end if;
	insert into hold (id, fund_id, fen, expires_at, purpose) values (p_id, p_fund, p_fen, p_expires_at, p_purpose);
	return 'created';
end $$;

-- A hold becomes an entry of the same amount, or is given up. One that expired may still be posted: the entry's floor decides.
create function ledger_hold_post(p_id uuid, p_entry_id uuid) returns void
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	update hold h set state = 'POSTED', entry_id = p_entry_id where id = p_id and state = 'PENDING'
		and fen = (select sum(p.fen) from posting p join fund f on 'fund:' || f.code = p.account where p.entry_id = p_entry_id and f.id = h.fund_id);
	if not found then
		perform refuse('hold_not_pending', 'no pending hold of what the entry takes from the fund');
	end if;
end $$;
create function ledger_hold_void(p_id uuid, p_reason text) returns void
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	update hold set state = 'VOID', reason = p_reason where id = p_id and state = 'PENDING';
	if not found then
		perform refuse('hold_not_pending', 'the hold is not pending');
	end if;
end $$;

-- A payment or refund of a gift posts itself. Its entry's id is the gift's or the refund's; no floor: this money has already moved.
create function money_entry_post() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	insert into entry (id, kind, occurred_at, recorded_at, body)
	select coalesce(refund_id, gift_id), case kind when 'PAYMENT' then 'gift.received' else 'gift.refunded' end, occurred_at, recorded_at, '' from made;
	insert into posting (entry_id, account, fen, gift_id)
	select coalesce(m.refund_id, m.gift_id), a.account, a.fen, m.gift_id
	from made m left join gift g on g.id = m.gift_id left join fund f on f.campaign_id = m.campaign_id
	cross join lateral (values (case g.channel when 'BANK_TRANSFER' then 'bank:transfer' else 'bank:wechat' end, m.amount_fen),
		('fund:' || f.code, -m.amount_fen)) a (account, fen);
	return null;
end $$;
create trigger money_entry_post after insert on money_entry referencing new table as made
	for each statement execute function money_entry_post();

-- What came before the ledger.
insert into entry (id, kind, occurred_at, recorded_at, body)
select coalesce(refund_id, gift_id), case kind when 'PAYMENT' then 'gift.received' else 'gift.refunded' end, occurred_at, recorded_at, '' from money_entry;
insert into posting (entry_id, account, fen, gift_id)
select coalesce(m.refund_id, m.gift_id), a.account, a.fen, m.gift_id
from money_entry m left join gift g on g.id = m.gift_id join fund f on f.campaign_id = m.campaign_id
cross join lateral (values (case g.channel when 'BANK_TRANSFER' then 'bank:transfer' else 'bank:wechat' end, m.amount_fen),
	('fund:' || f.code, -m.amount_fen)) a (account, fen);
-- they drew their numbers just now, so that the fold, which looks no further than its `pending`, has not passed them

