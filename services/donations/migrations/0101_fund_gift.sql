-- Gifts to funds that are no campaign's, and gifts for one of the purposes that such a fund offers (an earmark).

alter table gift add column earmark text;
grant insert (earmark) on gift to yg_donations;
create function gift_earmark_fixed() returns trigger
language plpgsql as $$
begin
	perform refuse('gift_fixed', 'the earmark of a gift never changes');
	return null;
end $$;
create trigger gift_earmark_fixed before update on gift
	for each row when (new.earmark is distinct from old.earmark) execute function gift_earmark_fixed();
alter table gift_public add column fund_code text, add column earmark text;
create index gift_public_earmarked on gift_public (campaign_id, earmark) where earmark is not null;

create or replace function gift_guard() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from fresh g left join campaign_taking_gifts c on c.id = g.campaign_id
	           where c.id is null or g.state <> 'PENDING' or g.amount_fen not between c.min_gift_fen and c.max_gift_fen) then
		perform refuse('gift_campaign_open', 'the campaign does not take this gift');
	end if;
	if exists (select from fresh g where g.page_id is not null and not exists (select from page_taking_gifts p where p.id = g.page_id and p.campaign_id = g.campaign_id)) then
		perform refuse('gift_page_open', 'the page does not take this gift');
	end if;
	if exists (select from fresh g where g.earmark is not null and not exists (select from fund_earmark e where e.fund_id = g.campaign_id and e.code = g.earmark)) then
		perform refuse('gift_earmark', 'the fund does not offer this earmark');
	end if;
	return null;
end $$;

-- As before; the public row says which fund, and what for.
create or replace function payment_settle(p_out_trade_no text, p_transaction_id text, p_amount_fen bigint, p_paid_at timestamptz)
returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	o pay_order;
	v_outcome text := 'SETTLED';
begin
	select * into o from pay_order where out_trade_no = p_out_trade_no for update;
	if o.out_trade_no is null then
		v_outcome := 'UNKNOWN_ORDER';
	elsif o.state = 'PAID' and o.transaction_id = p_transaction_id then
		return 'ALREADY';
	elsif o.state = 'PAID' then
		v_outcome := 'SECOND_TRANSACTION';
	elsif o.amount_fen <> p_amount_fen then
		v_outcome := 'AMOUNT_MISMATCH';
	elsif exists (select from pay_order where transaction_id = p_transaction_id) then
		v_outcome := 'TRANSACTION_TAKEN';
	end if;
	if v_outcome <> 'SETTLED' then
		insert into payment_exception (out_trade_no, kind, transaction_id, amount_fen)
		values (p_out_trade_no, v_outcome, p_transaction_id, p_amount_fen)
		on conflict do nothing;
		return v_outcome;
	end if;
	update pay_order set state = 'PAID', transaction_id = p_transaction_id, paid_at = p_paid_at, late = o.state = 'CLOSED'
	where out_trade_no = p_out_trade_no;
	update gift set state = 'PAID', paid_at = p_paid_at, late = o.state = 'CLOSED' where id = o.gift_id;
	insert into money_entry (gift_id, campaign_id, amount_fen, kind, occurred_at)
	values (o.gift_id, o.campaign_id, o.amount_fen, 'PAYMENT', p_paid_at);
	insert into gift_public (public_code, gift_id, campaign_id, amount_fen, paid_at, channel, campaign_title, shown_name, message, fund_code, earmark)
	select g.public_code, g.id, g.campaign_id, g.amount_fen, g.paid_at, g.channel, c.title, g.shown_name, g.message, c.fund_code, g.earmark
	from gift g join campaign c on c.id = g.campaign_id
	where g.id = o.gift_id;
	insert into outbox (type, subject, payload)
	values ('gift.paid', o.gift_id, json_build_object('gift_id', o.gift_id, 'campaign_id', o.campaign_id,
		'amount_fen', o.amount_fen, 'paid_at', p_paid_at, 'late', o.state = 'CLOSED'));
	return 'SETTLED';
end $$;

-- The leaf names the earmark, since the rule of use asks for it; otherwise as before.
create or replace function gift_event_leaf() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_entry entry;
	g gift;
	v_fund text;
begin
	select * into v_entry from entry where id = coalesce(new.payload ->> 'refund_id', new.payload ->> 'gift_id')::uuid;
	if v_entry.id is null or v_entry.kind <> (case new.type when 'gift.paid' then 'gift.received' else 'gift.refunded' end) then
		perform refuse('leaf_entry_unknown', 'the ledger has no such entry');
	end if;
	insert into entry_leaf (entry_id, event_id) values (v_entry.id, new.id);
	select * into g from gift where id = (new.payload ->> 'gift_id')::uuid;
	select code into v_fund from fund where campaign_id = g.campaign_id;
	new.leaf := leaf_bytes(v_entry.kind, new.id, v_entry.occurred_at, v_entry.recorded_at, g.public_code,
		json_build_object('campaign_id', g.campaign_id, 'fund', v_fund, 'amount_fen', (new.payload ->> 'amount_fen')::bigint, 'channel', g.channel, 'earmark', g.earmark),
		case when new.type = 'gift.paid' then (select json_build_object('donor', commitment) from gift_commitment where gift_id = g.id) end,
		(select json_agg(json_build_object('account', account, 'fen', fen) order by seq) from posting where entry_id = v_entry.id),
		case when new.type = 'gift.refunded' then (select json_build_array(event_id) from entry_leaf where entry_id = g.id) end);
	return new;
end $$;

revoke execute on function gift_earmark_fixed from public;
grant execute on function gift_earmark_fixed to yg_donations;
