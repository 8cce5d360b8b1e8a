-- Receipts that failed for good and that nobody decided about are given up after ninety days, so that the key of their title does not
-- stay for ever (receipt_title_forget deletes it at commit). The donor may ask for another one. A receipt that stands at the platform
-- though we could not take its number or its amount, or of which the list of a day says something that nobody has resolved yet,
-- is not: that one is for a person, however long it takes.
create function receipt_may_stand(r receipt) returns boolean
language sql stable set search_path = donations, pg_temp as $$
	select coalesce(r.last_error in ('BAD_NUMBER', 'NUMBER_TAKEN', 'AMOUNT_MISMATCH'), false)
		or exists (select from reconciliation_difference d where d.subject = 'RECEIPT' and d.number = r.request_no
			and reconciliation_state(d) = 'OPEN')
$$;
create function receipts_give_up() returns integer
language plpgsql volatile security definer set search_path = donations, pg_temp as $$
declare
	v_count integer;
begin
	perform receipt_job();
	update receipt set state = 'CLOSED', ended_at = now()
	where id = any(array(select r.id from receipt r where r.state = 'FAILED' and not receipt_may_stand(r)
		and r.next_check_at < now() - interval '90 days' -- within an hour of the last try
		order by r.next_check_at limit 500 for update skip locked));
	get diagnostics v_count = row_count;
	return v_count;
end $$;
create index reconciliation_difference_receipt on reconciliation_difference (number) where subject = 'RECEIPT';
create index receipt_failed on receipt (next_check_at) where state = 'FAILED';
revoke execute on function receipts_give_up, receipt_may_stand from public;
grant execute on function receipts_give_up to yg_donations;

-- Nor is it closed by a refund.
create or replace function receipt_fit(p_gift_id uuid) returns void
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g gift;
	r receipt;
	v_new uuid := uuid7_new();
begin
	select * into g from gift where id = p_gift_id for update;
	select * into r from receipt where gift_id = p_gift_id and state in ('REQUESTED', 'FAILED', 'ISSUED') for update;
	if r.state = 'ISSUED' and r.amount_fen <> g.amount_fen - g.refunded_fen then
		insert into receipt_reversal (receipt_id, id, request_no, reason) values (r.id, v_new, replace(v_new::text, '-', ''), '退款冲红')
		on conflict (receipt_id) do nothing;
	elsif r.state = 'FAILED' and not receipt_may_stand(r) and r.amount_fen <> g.amount_fen - g.refunded_fen then
		update receipt set state = 'CLOSED', ended_at = now() where id = r.id;
		perform receipt_replace(r.id);
	end if;
end $$;
