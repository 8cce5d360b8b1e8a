-- The figures of a fund from sums that are kept: its gifts and refunds are in the folded totals (and the tail behind them), its balance in
-- the folded account. What is left to add up are the postings that are no gift's, which an index finds. ledger_disagreement still adds up
-- every posting and compares.
create index posting_not_gift on posting (account, entry_id) include (fen) where gift_id is null;

-- Only gifts and refunds have postings that name a gift.
create function entry_gift_own() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	if exists (select from posting where entry_id = new.id and gift_id is not null) then
		perform refuse('entry_kind_reserved', 'a posting that names a gift is a gift''s or a refund''s');
	end if;
	return null;
end $$;
create constraint trigger entry_gift_own after insert on entry
	deferrable initially deferred for each row when (new.kind not in ('gift.received', 'gift.refunded')) execute function entry_gift_own();
revoke execute on function entry_gift_own from public;

create or replace function fund_figures(p_code text) returns table (balance_fen bigint, available_fen bigint, received_fen bigint, refunded_fen bigint, spent_fen bigint,
	moved_in_fen bigint, moved_out_fen bigint)
language sql stable security definer set search_path from current as $$
	select -account_balance('fund:' || f.code), fund_available(f.id), coalesce(g.payment_fen, 0)::bigint + o.received, coalesce(g.refund_fen, 0)::bigint, o.spent, o.moved_in, o.moved_out
	from fund f
	left join campaign_money g on g.campaign_id = f.campaign_id
	cross join lateral (
		select coalesce(-sum(p.fen) filter (where e.kind in ('goods.received', 'fund.received')), 0)::bigint as received,
		       coalesce(sum(p.fen) filter (where e.kind in ('disbursement', 'disbursement.reversed')), 0)::bigint as spent,
		       coalesce(-sum(p.fen) filter (where e.kind = 'fund.moved' and p.fen < 0), 0)::bigint as moved_in,
		       coalesce(sum(p.fen) filter (where e.kind = 'fund.moved' and p.fen > 0), 0)::bigint as moved_out
		from posting p join entry e on e.id = p.entry_id where p.account = 'fund:' || f.code and p.gift_id is null) o
	where f.code = p_code
$$;
