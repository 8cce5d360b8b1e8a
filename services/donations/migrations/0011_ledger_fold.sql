-- The fold takes postings along; settling writes leaves; what must agree, and who may touch what.

-- As before; postings draw their numbers from the same sequence, so that one mark serves both.
create or replace function totals_fold() returns bigint
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fold_state;
	v_fresh boolean := pg_current_xact_id_if_assigned() is null;
	v_last bigint;
	v_count bigint := 0;
begin
	select case when is_called then last_value else 0 end into v_last from money_entry_seq;
	select * into f from fold_state for update skip locked;
	if not found then
		return 0;
	end if;
	if pg_snapshot_xmin(pg_current_snapshot()) < f.pending_xid
		and pg_current_xact_id() >= f.pending_xid then -- a restored database counts its transactions anew
		return 0;
	end if;
	insert into account_total as t (account, fen)
	select account, sum(fen) from posting where seq > f.folded and seq <= f.pending group by account
	on conflict (account) do update set fen = t.fen + excluded.fen;
	with slice as (
		select campaign_id, coalesce(sum(amount_fen) filter (where kind = 'PAYMENT'), 0) as payment_fen,
		       count(*) filter (where kind = 'PAYMENT') as payment_count,
		       coalesce(-sum(amount_fen) filter (where kind = 'REFUND'), 0) as refund_fen,
		       count(*) filter (where kind = 'REFUND') as refund_count
		from money_entry
		where seq > f.folded and seq <= f.pending
		group by campaign_id
	), added as (
		insert into campaign_total as t (campaign_id, payment_fen, payment_count, refund_fen, refund_count)
		select * from slice
		on conflict (campaign_id) do update
		set payment_fen = t.payment_fen + excluded.payment_fen, payment_count = t.payment_count + excluded.payment_count,
		    refund_fen = t.refund_fen + excluded.refund_fen, refund_count = t.refund_count + excluded.refund_count
	)
	select coalesce(sum(payment_count + refund_count), 0) into v_count from slice;
	update fold_state set folded = f.pending, pending = case when v_fresh then greatest(v_last, f.pending) else f.pending end,
		pending_xid = case when v_fresh then pg_current_xact_id() else '0' end;
	return v_count;
end $$;

-- The sums of the ledger that must agree: no row means all is well.
create view ledger_disagreement as
select 'account' as what, coalesce(a.name, p.account) as which, account_balance(a.name) as says, coalesce(p.fen, 0)::bigint as postings
from account a full join (select account, sum(fen) as fen from posting group by account) p on p.account = a.name
where account_balance(a.name) is distinct from coalesce(p.fen, 0)
union all
select 'entry', entry_id::text, 0, sum(fen)::bigint from posting group by entry_id having sum(fen) <> 0
union all
select 'gift', coalesce(m.gift_id, p.gift_id)::text, m.net::bigint, -p.fen::bigint
from (select gift_id, sum(amount_fen) as net from money_entry group by gift_id) m
full join (select p.gift_id, sum(p.fen) as fen from posting p join entry e on e.id = p.entry_id
	where e.kind in ('gift.received', 'gift.refunded') and p.account like 'fund:%' group by p.gift_id) p on p.gift_id = m.gift_id
where m.net is distinct from -p.fen;

-- The event that goes out is the leaf too: turned into one as it is written, with the postings of the entry that it tells of.
create function gift_event_leaf() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_entry entry;
	g gift;
	v_fund text;
begin
	select * into v_entry from entry where id = coalesce(new.payload ->> 'refund_id', new.payload ->> 'gift_id')::uuid;
	select * into g from gift where id = (new.payload ->> 'gift_id')::uuid;
	select code into v_fund from fund where campaign_id = g.campaign_id;
	new.leaf := leaf_bytes(v_entry.kind, new.id, v_entry.occurred_at, v_entry.recorded_at, g.public_code,
		json_build_object('campaign_id', g.campaign_id, 'fund', v_fund, 'amount_fen', (new.payload ->> 'amount_fen')::bigint, 'channel', g.channel),
		null, (select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = v_entry.id));
	return new;
end $$;
create trigger gift_event_leaf before insert on outbox
	for each row when (new.type in ('gift.paid', 'gift.refunded') and new.leaf is null) execute function gift_event_leaf();

-- Only what was not spent goes back.
create function refund_unspent() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select g.amount_fen - gift_spent_fen(g.id) < o.refund_held_fen from gift g, pay_order o
		where g.id = new.gift_id and o.out_trade_no = new.out_trade_no) then
		perform refuse('refund_exceeds_unspent', 'part of the gift was spent');
	end if;
	return null;
end $$;
create trigger refund_unspent after insert on refund for each row execute function refund_unspent();

grant select on account, fund, entry, posting, account_total, hold, ledger_disagreement to yg_donations;
revoke execute on function fund_account, campaign_fund, fund_of_campaign, entry_balanced, account_balance, fund_available, gift_spent_fen, ledger_post,
	ledger_hold, ledger_hold_post, ledger_hold_void, money_entry_post, gift_event_leaf, refund_unspent from public;
grant execute on function fund_of_campaign, account_balance, fund_available, gift_spent_fen, ledger_post, ledger_hold, ledger_hold_post,
	ledger_hold_void to yg_donations;
