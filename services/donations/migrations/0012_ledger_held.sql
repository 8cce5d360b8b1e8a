-- At commit: an entry that lowers a fund leaves what others hold. (Deferred, so that the caller may post the entry first and its hold then.)
create function fund_held() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select kind from entry where id = new.entry_id) <> 'gift.refunded'
		and (select fund_available(f.id) < 0 from fund f where 'fund:' || f.code = new.account) then
		perform refuse('account_floor', format('%s is held', new.account));
	end if;
	return null;
end $$;
create constraint trigger fund_held after insert on posting
	deferrable initially deferred for each row when (new.fen > 0 and new.account like 'fund:%') execute function fund_held();
revoke execute on function fund_held from public;
