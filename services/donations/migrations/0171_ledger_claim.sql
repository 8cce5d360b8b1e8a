-- Who sums the ledger up says so first, in a transaction of its own: nobody else does it meanwhile, and a sum that fails is not begun again
-- at once. (A lock that was held while summing did the same, but told nobody, and a failure came every second.)
alter table ledger_checked add column took interval not null default '0';

-- When it is due: every ten seconds, and when that takes longer than a fifth of a second, so seldom that it takes a fiftieth of the time.
create function ledger_check_claim() returns boolean
language plpgsql security definer set search_path from current as $$
begin
	update ledger_checked set due_at = now() + greatest(interval '1 minute', 2 * took) where due_at <= now(); -- the sum itself says when next
	return found;
end $$;

-- Until the row is written it has no transaction id, since totals_fold waits for older ones. No session says what was found: it is worked
-- out here.
create or replace function ledger_check_run() returns setof ledger_checked
language plpgsql security definer set search_path from current as $$
declare
	v ledger_now;
	v_before bigint := (select disagreements from ledger_checked);
begin
	select * into v from ledger_now;
	if v.disagreements > 0 and v.disagreements <> v_before then
		raise warning 'the ledger disagrees with itself in % places: see the views ledger_, money_, period_, page_ and share_disagreement', v.disagreements;
	end if;
	return query update ledger_checked set as_of = now(), log_size = v.log_size, accounts = v.accounts, entries = v.entries, postings = v.postings,
		disagreements = v.disagreements, took = clock_timestamp() - now(),
		due_at = clock_timestamp() + greatest(interval '10 seconds', 50 * (clock_timestamp() - now()))
	returning *;
end $$;
revoke execute on function ledger_check_claim from public;
grant execute on function ledger_check_claim to yg_donations;
