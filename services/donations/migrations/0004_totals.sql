-- Totals without a hot row: entries are folded in slices, and a reader adds the few that are not folded yet.

create table campaign_total (
	campaign_id uuid primary key,
	payment_fen bigint not null default 0,
	payment_count bigint not null default 0,
	refund_fen bigint not null default 0,
	refund_count bigint not null default 0
);

-- One row. Entries with seq <= folded are in campaign_total. `pending` is the last number that was drawn at some moment; every
-- transaction that drew one up to it has an id below `pending_xid`. Once those have ended, nothing can appear below `pending`.
create table fold_state (
	one boolean primary key default true constraint fold_state_one check (one),
	folded bigint not null default 0,
	pending bigint not null default 0,
	pending_xid xid8 not null default '0'
);
insert into fold_state default values;

-- Folds what is certain, then says how far it may go next time. Returns how many entries it folded.
create function totals_fold() returns bigint
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fold_state;
	v_fresh boolean := pg_current_xact_id_if_assigned() is null;
	v_last bigint;
	v_count bigint := 0;
begin
	-- The number first, an id of our own afterwards: whoever drew a number up to this one had a lower id before (money_entry_next).
	-- A snapshot's xmax would not do: it is one more than the last transaction that *ended*, and others above it may be running.
	select case when is_called then last_value else 0 end into v_last from money_entry_seq;
	select * into f from fold_state for update skip locked;
	if not found then
		return 0;
	end if;
	if pg_snapshot_xmin(pg_current_snapshot()) < f.pending_xid
		and pg_current_xact_id() >= f.pending_xid then -- a restored database counts its transactions anew
		return 0;
	end if;
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
	-- an id from before this call could be lower than that of someone who drew v_last: then the next call looks further
	update fold_state set folded = f.pending, pending = case when v_fresh then greatest(v_last, f.pending) else f.pending end,
		pending_xid = case when v_fresh then pg_current_xact_id() else '0' end;
	return v_count;
end $$;

-- Folded and not yet folded together; one statement that reads it sees one moment.
create view campaign_money as
with tail as (
	select campaign_id, coalesce(sum(amount_fen) filter (where kind = 'PAYMENT'), 0)::bigint as payment_fen,
	       count(*) filter (where kind = 'PAYMENT') as payment_count,
	       coalesce(-sum(amount_fen) filter (where kind = 'REFUND'), 0)::bigint as refund_fen,
	       count(*) filter (where kind = 'REFUND') as refund_count
	from money_entry
	where seq > (select folded from fold_state)
	group by campaign_id
)
select campaign_id,
       coalesce(t.payment_fen, 0) + coalesce(n.payment_fen, 0) as payment_fen,
       coalesce(t.payment_count, 0) + coalesce(n.payment_count, 0) as payment_count,
       coalesce(t.refund_fen, 0) + coalesce(n.refund_fen, 0) as refund_fen,
       coalesce(t.refund_count, 0) + coalesce(n.refund_count, 0) as refund_count
from campaign_total t full join tail n using (campaign_id);

-- The sums that must agree, for tests and operators: no row means all is well.
create view money_disagreement as
select 'campaign total' as what, campaign_id::text as which, m.payment_fen - m.refund_fen as says, e.net as entries
from campaign_money m full join (select campaign_id, sum(amount_fen) as net from money_entry group by campaign_id) e using (campaign_id)
where m.payment_fen - m.refund_fen is distinct from e.net
union all
select 'gift', g.id::text, case when g.paid_at is null then 0 else g.amount_fen - g.refunded_fen end, coalesce(e.net, 0)
from gift g full join (select gift_id, sum(amount_fen) as net from money_entry group by gift_id) e on e.gift_id = g.id
where case when g.paid_at is null then 0 else g.amount_fen - g.refunded_fen end is distinct from coalesce(e.net, 0)
union all
select 'public gift', g.id::text, p.amount_fen - p.refunded_fen, g.amount_fen - g.refunded_fen
from gift g full join gift_public p on p.gift_id = g.id
where (g.paid_at is not null or p.gift_id is not null)
  and (p.public_code, p.amount_fen, p.refunded_fen) is distinct from (g.public_code, g.amount_fen, g.refunded_fen)
union all
select 'order', o.out_trade_no, o.refund_held_fen, coalesce(sum(r.amount_fen), 0)
from pay_order o left join refund r on r.out_trade_no = o.out_trade_no and r.state <> 'CLOSED'
group by o.out_trade_no having o.refund_held_fen <> coalesce(sum(r.amount_fen), 0);
