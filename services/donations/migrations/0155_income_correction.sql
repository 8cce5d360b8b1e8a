-- What was turned back is in no figure any more, and an income that was booked wrongly can be turned back.

-- An income's line of the bank statement is free again when its entry was turned back, so that the right amount can be recorded.
insert into correction_kind values ('fund.received');
alter table fund_income drop constraint fund_income_state_consistent, drop constraint fund_income_own;
alter table fund_income add constraint fund_income_own check (decided_by <> proposed_by or state = 'REFUSED'),
	add constraint fund_income_state_consistent check (case state when 'PROPOSED' then decided_at is null when 'BOOKED' then decided_by is not null and decided_at is not null
		when 'REVERSED' then num_nonnulls(decided_by, decided_at, reason) = 3
		when 'REFUSED' then decided_by is not null and decided_at is not null and reason is not null else false end);
drop index fund_income_bank_taken;
create unique index fund_income_bank_taken on fund_income (bank_reference) where state not in ('REFUSED', 'REVERSED');
create or replace function bank_line_income(p_reference text) returns boolean
language sql stable security definer set search_path from current as $$
	select exists (select from fund_income where bank_reference = p_reference and state not in ('REFUSED', 'REVERSED'))
$$;
create or replace function fund_income_before_update() returns trigger
language plpgsql as $$
begin
	if not (old.state = 'PROPOSED' or (old.state = 'BOOKED' and new.state = 'REVERSED' and (new.decided_by, new.decided_at) = (old.decided_by, old.decided_at)
			and exists (select from donations.entry where reverses = old.id)))
		or (new.id, new.fund_id, new.organization, new.amount_fen, new.payer, new.bank_reference, new.document_sha256, new.received_at, new.proposed_by)
		is distinct from (old.id, old.fund_id, old.organization, old.amount_fen, old.payer, old.bank_reference, old.document_sha256, old.received_at, old.proposed_by) then
		perform refuse('fund_income_fixed', 'what was recorded does not change');
	end if;
	return new;
end $$;
create function fund_income_reversed() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	update fund_income set state = 'REVERSED', reason = new.reason where id = new.reverses and state = 'BOOKED';
	return null;
end $$;
create trigger fund_income_reversed after update on correction
	for each row when (new.state = 'BOOKED' and old.state <> 'BOOKED' and new.reverses is not null) execute function fund_income_reversed();

-- What came in, less what of it was turned back: goods and incomes. (Gifts go back as refunds, disbursements as reversals of their own kind.)
create or replace function fund_figures(p_code text) returns table (balance_fen bigint, available_fen bigint, received_fen bigint, refunded_fen bigint, spent_fen bigint,
	moved_in_fen bigint, moved_out_fen bigint)
language sql stable security definer set search_path from current as $$
	select -account_balance('fund:' || f.code), fund_available(f.id), coalesce(g.payment_fen, 0)::bigint + o.received, coalesce(g.refund_fen, 0)::bigint, o.spent, o.moved_in, o.moved_out
	from fund f
	left join campaign_money g on g.campaign_id = f.campaign_id
	cross join lateral (
		select coalesce(-sum(p.fen) filter (where coalesce(r.kind, e.kind) in ('goods.received', 'fund.received')), 0)::bigint as received,
		       coalesce(sum(p.fen) filter (where e.kind in ('disbursement', 'disbursement.reversed')), 0)::bigint as spent,
		       coalesce(-sum(p.fen) filter (where e.kind = 'fund.moved' and p.fen < 0), 0)::bigint as moved_in,
		       coalesce(sum(p.fen) filter (where e.kind = 'fund.moved' and p.fen > 0), 0)::bigint as moved_out
		from posting p join entry e on e.id = p.entry_id left join entry r on r.id = e.reverses where p.account = 'fund:' || f.code and p.gift_id is null) o
	where f.code = p_code
$$;
revoke execute on function fund_income_reversed from public;
