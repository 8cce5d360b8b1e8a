-- Closing a month: from the proposal on nothing is posted into it any more; another person closes it, which seals every account's balance.
-- One calendar for the whole ledger, since bank accounts are shared by all funds. There is no way back.

create table period (
	month date constraint period_closed_once primary key,
	ends_at timestamptz not null,
	organization text not null,
	state text not null default 'CLOSING',
	proposed_by uuid not null,
	proposed_at timestamptz not null default now(),
	closed_by uuid,
	closed_at timestamptz,
	accounts bigint,
	sha256 text, -- of the lines "account fen" and a line feed, by account in byte order
	constraint period_month_first check (extract(day from month) = 1 and ends_at = (month + interval '1 month') at time zone 'Asia/Shanghai'),
	constraint period_state_consistent check (case state when 'CLOSING' then closed_at is null and sha256 is null
		when 'CLOSED' then closed_by is not null and closed_at is not null and accounts is not null and sha256 is not null else false end),
	constraint period_four_eyes check (closed_by <> proposed_by)
);
create function period_kept() returns trigger
language plpgsql as $$
begin
	if tg_op = 'DELETE' or old.state = 'CLOSED' or (new.month, new.ends_at, new.organization, new.proposed_by, new.proposed_at)
		is distinct from (old.month, old.ends_at, old.organization, old.proposed_by, old.proposed_at) then
		perform refuse('period_fixed', 'a period is never opened again');
	end if;
	return new;
end $$;
create trigger period_kept before update or delete on period for each row execute function period_kept();

create table period_balance (
	month date not null constraint period_balance_of references period (month),
	account text not null,
	fen bigint not null,
	constraint period_balance_once primary key (month, account)
);
create trigger period_balance_append_only before update or delete on period_balance for each row execute function append_only();

-- The bar. A gift or refund of a barred month has moved all the same: it is booked in the first moment that is open, while money_entry
-- keeps what WeChat says. The transaction has its id before it looks: period_close waits for all that may have looked too early.
create function entry_period() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_bar timestamptz;
begin
	perform pg_current_xact_id();
	select max(ends_at) into v_bar from period;
	if new.occurred_at < v_bar then
		if new.kind not in ('gift.received', 'gift.refunded') then
			perform refuse('period_closed', 'the month is closed: corrections go to the open one');
		end if;
		new.occurred_at := v_bar;
	end if;
	return new;
end $$;
create trigger entry_period before insert on entry for each row execute function entry_period();
create index entry_by_time on entry using brin (occurred_at) with (pages_per_range = 32);

create function period_propose(p_month date, p_by uuid) returns period
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_last period;
	v period;
begin
	if not is_topmost() then
		perform refuse('period_topmost', 'the ledger is closed by the topmost unit');
	end if;
	lock table period in share row exclusive mode;
	select * into v_last from period order by month desc limit 1;
	if v_last.month is not null and v_last.month <> p_month and (v_last.state <> 'CLOSED' or v_last.month + interval '1 month' <> p_month)
		or (p_month + interval '1 month') at time zone 'Asia/Shanghai' > now() then
		perform refuse('period_order', 'months that are over are closed one after the other');
	end if;
	insert into period (month, ends_at, organization, proposed_by)
	values (p_month, (p_month + interval '1 month') at time zone 'Asia/Shanghai', current_setting('yg.organization', true), p_by) returning * into v;
	return v;
end $$;

-- Waits until no transaction is left that may have looked for the bar before it stood, then seals. Refuses when that takes too long.
create function period_close(p_month date, p_by uuid) returns period
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v period;
	v_before period;
	v_bound xid8;
	v_tries integer := 0;
begin
	select * into v from period where month = p_month for update;
	if v.month is null or not is_topmost() then
		return null;
	elsif v.state <> 'CLOSING' then
		perform refuse('period_fixed', 'it is closed');
	elsif v.proposed_by = p_by then
		perform refuse('period_four_eyes', 'who proposed it does not close it');
	end if;
	v_bound := pg_snapshot_xmax(pg_current_snapshot()); -- now that the bar is seen: whoever is younger has seen it too
	while exists (select from pg_snapshot_xip(pg_current_snapshot()) x where x < v_bound and x is distinct from pg_current_xact_id_if_assigned()) loop
		v_tries := v_tries + 1;
		if v_tries > 60 then
			perform refuse('period_busy', 'something is still being written; try again');
		end if;
		perform pg_sleep(0.05);
	end loop;
	select * into v_before from period where month < p_month order by month desc limit 1;
	insert into period_balance (month, account, fen)
	select p_month, s.account, sum(s.fen)::bigint
	from (select account, fen from period_balance where month = v_before.month
	      union all
	      select p.account, p.fen from entry e join posting p on p.entry_id = e.id
	      where e.occurred_at >= coalesce(v_before.ends_at, '-infinity') and e.occurred_at < v.ends_at) s
	group by s.account;
	update period p
	set state = 'CLOSED', closed_by = p_by, closed_at = now(), accounts = b.n, sha256 = b.digest
	from (select count(*) as n, encode(sha256(convert_to(coalesce(string_agg(account || ' ' || fen || E'\n', '' order by account collate "C"), ''), 'UTF8')), 'hex') as digest
	      from period_balance where month = p_month) b
	where p.month = p_month returning p.* into v;
	perform outbox_leaf('period.closed', to_char(p_month, 'YYYY-MM'), json_build_object('month', to_char(p_month, 'YYYY-MM')), 'period.closed', to_char(p_month, 'YYYY-MM'), now(),
		json_build_object('month', to_char(p_month, 'YYYY-MM'), 'accounts', v.accounts, 'balances_sha256', v.sha256));
	return v;
end $$;

-- No row means that what was sealed is still the fold of the postings up to the month's end.
create view period_disagreement as
with folded as materialized (
	select date_trunc('month', e.occurred_at at time zone 'Asia/Shanghai')::date as month, p.account, sum(p.fen) as fen
	from entry e join posting p on p.entry_id = e.id where exists (select from period where state = 'CLOSED') group by 1, 2
)
select coalesce(b.month, f.month) as month, coalesce(b.account, f.account) as account, b.fen as sealed, f.fen as postings
from period_balance b
full join (select c.month, d.account, sum(d.fen)::bigint as fen from period c join folded d on d.month <= c.month where c.state = 'CLOSED' group by 1, 2) f
	on f.month = b.month and f.account = b.account
where b.fen is distinct from f.fen;

grant select on period, period_balance, period_disagreement to yg_donations;
revoke execute on function period_kept, entry_period, period_propose, period_close from public;
grant execute on function period_propose, period_close to yg_donations;
