-- Receipts that failed for good and that nobody decided about are given up after ninety days, so that the key of their title does not
-- stay for ever (receipt_title_forget deletes it at commit). The donor may ask for another one. A receipt that stands at the platform
-- though we could not take its number (BAD_NUMBER, NUMBER_TAKEN) is not: that one is for a person, however long it takes.
create function receipts_give_up() returns integer
language plpgsql volatile security definer set search_path = donations, pg_temp as $$
declare
	v_count integer;
begin
	perform receipt_job();
	update receipt set state = 'CLOSED', ended_at = now()
	where id = any(array(select r.id from receipt r where r.state = 'FAILED' and r.last_error not in ('BAD_NUMBER', 'NUMBER_TAKEN')
		and r.next_check_at < now() - interval '90 days' -- within an hour of the last try
		order by r.next_check_at limit 500 for update skip locked));
	get diagnostics v_count = row_count;
	return v_count;
end $$;
create index receipt_failed on receipt (next_check_at) where state = 'FAILED';
revoke execute on function receipts_give_up from public;
grant execute on function receipts_give_up to yg_donations;
