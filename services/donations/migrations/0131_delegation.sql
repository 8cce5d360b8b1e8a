-- What a unit above delegated to a township holds for all of the township's money, not only for the account that was opened with the limit:
-- else it would approve any amount from another fund of its own.

-- Up to how much the staff of a unit approve alone of a fund, and whose limit that is: one row for each unit at or above the fund's that was
-- given one. For a township account it is its own, for any other fund the lowest of the unit's open accounts; and what a unit above was given
-- holds below it, so that no unit escapes by what it opens in a unit of its own. Ending accounts lifts nothing: the last word stays.
create function fund_delegation(f fund) returns table (organization text, delegated_fen bigint)
language sql stable security definer set search_path from current as $$
	select distinct on (t.organization) t.organization, t.delegated_fen from fund t
	where t.kind = 'TOWNSHIP' and t.state in ('OPEN', 'ENDED')
		and (t.id = f.id or (starts_with(f.organization || '/', t.organization || '/') and (f.kind <> 'TOWNSHIP' or t.organization <> f.organization)))
	order by t.organization, t.state = 'OPEN' desc, t.delegated_fen
$$;
create index fund_township on fund (organization) where kind = 'TOWNSHIP';

-- Whether the caller may agree to this much of the fund.
create function fund_delegated(p_fund uuid, p_fen bigint) returns void
language plpgsql security definer set search_path from current as $$
begin
	if exists (select from fund f cross join lateral fund_delegation(f) l where f.id = p_fund and p_fen > l.delegated_fen
		and not starts_with(l.organization, coalesce(nullif(current_setting('yg.organization', true), ''), '-') || '/')) then
		perform refuse('disbursement_above_delegation', 'the unit above approves this amount');
	end if;
end $$;
create or replace function disbursement_delegated() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	perform fund_delegated(d.fund_id, d.amount_fen) from disbursement d where d.id = new.disbursement_id;
	return new;
end $$;

-- A transfer takes money out of the fund as a disbursement does.
create function fund_move_delegated() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	perform fund_delegated(new.from_fund, new.amount_fen);
	return new;
end $$;
create trigger fund_move_delegated before update on fund_move
	for each row when (new.state = 'BOOKED' and old.state <> 'BOOKED') execute function fund_move_delegated();
revoke execute on function fund_delegation, fund_delegated, fund_move_delegated from public;
