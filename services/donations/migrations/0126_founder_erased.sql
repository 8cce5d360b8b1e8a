-- A fund's founder becomes nobody only when he is erased, and one who is erased at the same moment founds nothing: that comes before or after.
create function fund_founder_there() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	perform from party where id = new.founder_party and erased_at is null for share;
	if not found then
		perform refuse('fund_founder', 'no such donor of the unit');
	end if;
	return new;
end $$;
create trigger fund_founder_there before insert on fund for each row when (new.founder_party is not null) execute function fund_founder_there();
create function fund_founder_kept() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	if not exists (select from party where id = old.founder_party and erased_at is not null) then
		perform refuse('fund_fixed', 'the terms of a fund do not change');
	end if;
	return new;
end $$;
create trigger fund_founder_kept before update on fund
	for each row when ((new.founder, new.founder_party) is distinct from (old.founder, old.founder_party)) execute function fund_founder_kept();
revoke execute on function fund_founder_there, fund_founder_kept from public;

-- An approval names the version that was read: by disbursement_approve_read only.
revoke execute on function disbursement_approve from yg_donations;
