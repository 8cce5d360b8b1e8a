-- An order is its gift's: number, campaign, amount and channel. gift_create.sql and plans write both from one row; but a session that wrote
-- two different ones had the money booked to another fund than the gift's page said, or held refunds on an order that uses do not look at.
-- Looked at when money comes, where both rows are at hand: an order that is nobody's never gets any, and a gift's write pays nothing for it.
--
-- A payment that is told again locks nothing. Whoever spends many gifts holds the rows of their orders for seconds; one repeated notification
-- waited for it on the connection that all gifts are written by, so that nobody could give and no payment was taken until then.
create or replace function payment_settle(p_out_trade_no text, p_transaction_id text, p_amount_fen bigint, p_paid_at timestamptz)
returns text
language plpgsql security definer set search_path from current as $$
declare
	o pay_order;
	v_outcome text := 'SETTLED';
begin
	select * into o from pay_order where out_trade_no = p_out_trade_no;
	if o.state <> 'PAID' then -- PAID is an end, and its transaction stays
		select * into o from pay_order where out_trade_no = p_out_trade_no for update;
	end if;
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
	update gift set state = 'PAID', paid_at = p_paid_at, late = o.state = 'CLOSED'
	where id = o.gift_id and (public_code, campaign_id, amount_fen, channel) = (o.out_trade_no, o.campaign_id, o.amount_fen, o.channel);
	if not found then
		perform refuse('pay_order_gift', 'an order is its gift''s: number, campaign, amount and channel');
	end if;
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
