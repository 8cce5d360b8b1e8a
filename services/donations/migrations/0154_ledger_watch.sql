-- The ledger is summed anew all the time, and whoever asks is told what the last time found and when: a job does it, apart from what people
-- wait for. Done for each who asked it took longer than a statement may from 200,000 gifts on, held up what shared its connection, and found
-- nothing unless somebody asked.

-- Everything at one moment, from one statement.
create view ledger_now as
select (select count(*) from account) as accounts, (select count(*) from entry) as entries, (select count(*) from posting) as postings,
       (select count(*) from ledger_disagreement) + (select count(*) from money_disagreement) + (select count(*) from period_disagreement)
           + (select count(*) from page_disagreement) + (select count(*) from share_disagreement) as disagreements, log_size() as log_size;

create table ledger_checked (
	one boolean primary key default true constraint ledger_checked_one check (one),
	as_of timestamptz not null,
	log_size bigint not null,
	accounts bigint not null,
	entries bigint not null,
	postings bigint not null,
	disagreements bigint not null,
	due_at timestamptz not null
);
insert into ledger_checked (as_of, log_size, accounts, entries, postings, disagreements, due_at)
select now(), log_size, accounts, entries, postings, disagreements, now() from ledger_now;

-- When it is due: every ten seconds, and when that takes longer than a fifth of a second, so seldom that it takes a fiftieth of the time. Until the
-- row is written it has no transaction id, since totals_fold waits for older ones. No session says what was found: it is worked out here.
create function ledger_check_run() returns setof ledger_checked
language plpgsql security definer set search_path from current as $$
declare
	v ledger_now;
	v_before bigint;
begin
	if not pg_try_advisory_xact_lock(hashtext('donations.ledger_check')) then
		return; -- another process does it
	end if;
	select disagreements into v_before from ledger_checked where due_at <= now();
	if not found then
		return;
	end if;
	select * into v from ledger_now;
	if v.disagreements > 0 and v.disagreements <> v_before then
		raise warning 'the ledger disagrees with itself in % places: see the views ledger_, money_, period_, page_ and share_disagreement', v.disagreements;
	end if;
	return query update ledger_checked set as_of = now(), log_size = v.log_size, accounts = v.accounts, entries = v.entries, postings = v.postings,
		disagreements = v.disagreements, due_at = clock_timestamp() + greatest(interval '10 seconds', 50 * (clock_timestamp() - now()))
	returning *;
end $$;
revoke execute on function ledger_check_run from public;
grant execute on function ledger_check_run to yg_donations;
grant select on ledger_checked to yg_donations;
