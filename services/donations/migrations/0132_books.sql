-- When something may be said to have happened. The bar of closed months (period) helps from the first closed month on only: until then a
-- posting could be dated into any year. So an account has a first day. It is January 1 of the year in which it was made, since the accounting
-- year is the calendar year (会计法 art. 11) and a bank account is often entered after its first movements of the year; one that is made
-- before the end of March still takes the year before, whose accounts are being made then. Accounts that were there before this rule begin
-- by the same rule, or with their first entry, if that is earlier.
create function books_first_day() returns date
language sql stable security definer set search_path from current as $$
	select date_trunc('year', business_day() - interval '3 months')::date
$$;
alter table account add column opened_on date not null default books_first_day();
alter table account disable trigger account_kept;
update account set opened_on = least(opened_on, date_trunc('year', (created_at at time zone 'Asia/Shanghai') - interval '3 months')::date);
update account a set opened_on = f.day from (select p.account, min(e.occurred_at at time zone 'Asia/Shanghai')::date as day from posting p join entry e on e.id = p.entry_id
	group by p.account) f where f.account = a.name and f.day < a.opened_on;
alter table account enable trigger account_kept;

create function account_books(p_at timestamptz, variadic p_accounts text[]) returns void
language plpgsql stable security definer set search_path from current as $$
declare
	v_account text;
begin
	select name into v_account from account where name = any (p_accounts) and (p_at at time zone 'Asia/Shanghai')::date < opened_on order by name limit 1;
	if v_account is not null then
		perform refuse('entry_before_books', format('the books of %s begin later', v_account));
	end if;
end $$;

-- What WeChat or the bank says of gifts and refunds is booked as they say it: that money has moved. Everything else is neither ahead of
-- time nor before the books of one of its accounts, whoever posts it.
create function entry_not_yet() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	if new.occurred_at > now() + interval '5 minutes' then
		perform refuse('entry_not_yet', 'it has not happened yet');
	end if;
	return new;
end $$;
create trigger entry_not_yet before insert on entry
	for each row when (new.kind not in ('gift.received', 'gift.refunded')) execute function entry_not_yet();
create function entry_books() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	perform account_books(new.occurred_at, variadic (select array_agg(account) from posting where entry_id = new.id));
	return null;
end $$;
create constraint trigger entry_books after insert on entry
	deferrable initially deferred for each row when (new.kind not in ('gift.received', 'gift.refunded')) execute function entry_books();

-- Who proposes hears it at once. A posting by hand is not dated into a closed month either: what is found out later belongs to the open one.
-- An income keeps the day on which it was received, whenever it is recorded, and is booked in the first open moment.
create function correction_books() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	perform account_books(new.occurred_at, new.debit, new.credit);
	if new.occurred_at < (select max(ends_at) from period) then
		perform refuse('period_closed', 'the month is closed: it goes to the open one');
	end if;
	return new;
end $$;
create trigger correction_books before insert on correction for each row when (new.occurred_at is not null) execute function correction_books();
create function fund_income_books() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	perform account_books(greatest(new.received_at, (select max(ends_at) from period)), 'bank:transfer', (select 'fund:' || code from fund where id = new.fund_id));
	return new;
end $$;
create trigger fund_income_books before insert on fund_income for each row execute function fund_income_books();
revoke execute on function books_first_day, account_books, entry_not_yet, entry_books, correction_books, fund_income_books from public;
