-- Money that came and went: notifications as received, append-only entries, refunds, and the functions that are the only way to write them.
-- The login role may not write these tables itself: a psql session with its password can do nothing that these functions refuse.

-- What WeChat sent, byte for byte (personal parts are encrypted inside). Kept before anything is done with it.
create table payment_notification (
	event_id text not null,
	event_type text not null,
	serial text not null,
	body bytea not null,
	received_at timestamptz not null default now(),
	outcome text not null,
	primary key (event_id)
);
create trigger payment_notification_append_only before update or delete on payment_notification
	for each row execute function append_only();

-- Money that does not fit an order: a person has to look.
create table payment_exception (
	id uuid primary key default gen_random_uuid(),
	out_trade_no text not null,
	kind text not null,
	transaction_id text not null,
	amount_fen bigint not null,
	seen_at timestamptz not null default now(),
	constraint payment_exception_once unique (out_trade_no, kind, transaction_id),
	constraint payment_exception_kind_known check (kind in ('UNKNOWN_ORDER', 'AMOUNT_MISMATCH', 'SECOND_TRANSACTION', 'TRANSACTION_TAKEN',
		'UNKNOWN_REFUND', 'REFUND_MISMATCH'))
);
create trigger payment_exception_append_only before update or delete on payment_exception
	for each row execute function append_only();

create table refund (
	id uuid not null,
	out_refund_no text not null,
	out_trade_no text not null constraint refund_order references pay_order (out_trade_no),
	gift_id uuid not null,
	amount_fen bigint not null,
	reason text not null,
	state text not null default 'REQUESTED',
	requested_by uuid not null,
	bank_reference text,
	provider_refund_id text,
	attempts integer not null default 0,
	last_error text,
	created_at timestamptz not null default now(),
	finished_at timestamptz,
	next_check_at timestamptz not null default now(),
	primary key (id),
	constraint refund_number_taken unique (out_refund_no),
	constraint refund_provider_id_taken unique (provider_refund_id),
	constraint refund_number_form check (out_refund_no ~ '^[0-9A-Za-z_|*@-]{6,64}$'),
	constraint refund_amount_positive check (amount_fen > 0),
	constraint refund_state_consistent check (case state
		when 'REQUESTED' then finished_at is null
		when 'PROCESSING' then finished_at is null
		when 'ABNORMAL' then finished_at is null
		when 'SUCCESS' then finished_at is not null
		when 'CLOSED' then finished_at is not null
		else false end)
);
create index refund_by_gift on refund (gift_id, id);
create index refund_due on refund (next_check_at) where state in ('REQUESTED', 'PROCESSING', 'ABNORMAL');

-- The money of a refund is held on the order while the refund lives: the update locks the order's row, its check constraint refuses.
create function refund_hold() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if tg_op = 'UPDATE' then
		if (new.id, new.out_refund_no, new.out_trade_no, new.gift_id, new.amount_fen, new.created_at)
			is distinct from (old.id, old.out_refund_no, old.out_trade_no, old.gift_id, old.amount_fen, old.created_at) then
			perform refuse('refund_fixed', 'number, order and amount of a refund never change');
		end if;
		if new.state <> old.state and (old.state, new.state) not in (('REQUESTED', 'PROCESSING'), ('REQUESTED', 'SUCCESS'),
			('REQUESTED', 'ABNORMAL'), ('REQUESTED', 'CLOSED'), ('PROCESSING', 'SUCCESS'), ('PROCESSING', 'ABNORMAL'),
			('PROCESSING', 'CLOSED'), ('ABNORMAL', 'PROCESSING'), ('ABNORMAL', 'SUCCESS'), ('ABNORMAL', 'CLOSED')) then
			perform refuse('refund_transition', format('%s to %s', old.state, new.state));
		end if;
		if new.state = 'CLOSED' and old.state <> 'CLOSED' then
			update pay_order set refund_held_fen = refund_held_fen - new.amount_fen where out_trade_no = new.out_trade_no;
		end if;
	else
		if new.state <> 'REQUESTED' then
			perform refuse('refund_transition', 'a refund begins as REQUESTED');
		end if;
		update pay_order set refund_held_fen = refund_held_fen + new.amount_fen
		where out_trade_no = new.out_trade_no and gift_id = new.gift_id;
		if not found then
			perform refuse('refund_order_unknown', 'no such order of this gift');
		end if;
	end if;
	return new;
end $$;
create trigger refund_hold before insert or update on refund
	for each row execute function refund_hold();
create trigger refund_kept before delete on refund
	for each row execute function append_only();

-- The transaction has its id before it draws a number: totals_fold relies on it.
create sequence money_entry_seq as bigint;
create function money_entry_next() returns bigint
language sql volatile as $$
	select case when pg_current_xact_id() is not null then nextval('donations.money_entry_seq') end
$$;

-- Signed, append-only: the only source of every total.
create table money_entry (
	seq bigint not null default money_entry_next(),
	gift_id uuid not null,
	campaign_id uuid not null,
	refund_id uuid constraint money_entry_refund references refund (id),
	amount_fen bigint not null,
	kind text not null,
	occurred_at timestamptz not null,              -- as the bank or WeChat says
	recorded_at timestamptz not null default now(), -- as we know
	primary key (seq),
	-- one PAYMENT per gift, one REFUND per refund
	constraint money_entry_once unique nulls not distinct (gift_id, refund_id),
	constraint money_entry_sign check (case kind
		when 'PAYMENT' then amount_fen > 0 and refund_id is null
		when 'REFUND' then amount_fen < 0 and refund_id is not null
		else false end)
);
create trigger money_entry_append_only before update or delete on money_entry
	for each row execute function append_only();

-- At commit: the entries of a gift sum to what its row says, and its public row says the same.
create function gift_balanced() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_gift uuid := case tg_table_name when 'money_entry' then (to_json(new) ->> 'gift_id')::uuid else (to_json(new) ->> 'id')::uuid end;
	g record;
	v_entries bigint;
begin
	select id, public_code, amount_fen, refunded_fen, paid_at into g from gift where id = v_gift;
	select coalesce(sum(amount_fen), 0) into v_entries from money_entry where gift_id = v_gift;
	if g.id is null or v_entries <> (case when g.paid_at is null then 0 else g.amount_fen - g.refunded_fen end) then
		perform refuse('gift_unbalanced', format('entries of gift %s sum to %s', v_gift, v_entries));
	end if;
	if g.paid_at is not null and not exists (select from gift_public p where p.public_code = g.public_code and p.gift_id = g.id
		and p.amount_fen = g.amount_fen and p.refunded_fen = g.refunded_fen) then
		perform refuse('gift_unbalanced', format('gift %s differs from its public row', v_gift));
	end if;
	return null;
end $$;
create constraint trigger money_entry_balanced after insert on money_entry
	deferrable initially deferred for each row execute function gift_balanced();
create constraint trigger gift_balanced after update on gift
	deferrable initially deferred for each row when (new.state <> old.state or new.refunded_fen <> old.refunded_fen)
	execute function gift_balanced();

-- Settles an order: by callback, by query, or by staff for a bank transfer; any number of times, in any race, it counts once.
-- SETTLED | ALREADY | UNKNOWN_ORDER | AMOUNT_MISMATCH | SECOND_TRANSACTION | TRANSACTION_TAKEN. Money that came after the order
-- was closed is money received: the gift becomes PAID and `late`, for staff to look at.
create function payment_settle(p_out_trade_no text, p_transaction_id text, p_amount_fen bigint, p_paid_at timestamptz)
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
	insert into gift_public (public_code, gift_id, campaign_id, amount_fen, paid_at, channel, campaign_title, shown_name, message)
	select g.public_code, g.id, g.campaign_id, g.amount_fen, g.paid_at, g.channel, c.title, g.shown_name, g.message
	from gift g join campaign c on c.id = g.campaign_id
	where g.id = o.gift_id;
	insert into outbox (type, subject, payload)
	values ('gift.paid', o.gift_id, json_build_object('gift_id', o.gift_id, 'campaign_id', o.campaign_id,
		'amount_fen', o.amount_fen, 'paid_at', p_paid_at, 'late', o.state = 'CLOSED'));
	return 'SETTLED';
end $$;

-- Stores a notification and says whether it is new; a second delivery of the same event is none.
create function payment_notification_store(p_event_id text, p_event_type text, p_serial text, p_body bytea, p_outcome text)
returns boolean
language sql security definer set search_path = donations, pg_temp as $$
	with stored as (
		insert into payment_notification (event_id, event_type, serial, body, outcome)
		values (p_event_id, p_event_type, p_serial, p_body, p_outcome)
		on conflict do nothing
		returning 1
	)
	select exists (select from stored)
$$;

-- The provider has the order: keeps prepay_id, unless the order ended meanwhile. Says the order's state.
create function order_placed(p_out_trade_no text, p_prepay_id text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_state text;
begin
	select state into v_state from pay_order where out_trade_no = p_out_trade_no for update;
	if v_state in ('CREATED', 'ORDERED') then
		update pay_order set state = 'ORDERED', prepay_id = p_prepay_id where out_trade_no = p_out_trade_no;
		v_state := 'ORDERED';
	end if;
	return v_state;
end $$;

-- The provider says that it will not be paid any more (or never knew the order). A payment that was faster wins.
create function order_close(p_out_trade_no text) returns boolean
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	o pay_order;
begin
	select * into o from pay_order where out_trade_no = p_out_trade_no for update;
	if o.out_trade_no is null or o.state not in ('CREATED', 'ORDERED') or o.expires_at > now() then
		return false;
	end if;
	update pay_order set state = 'CLOSED' where out_trade_no = p_out_trade_no;
	update gift set state = 'CLOSED' where id = o.gift_id;
	insert into outbox (type, subject, payload)
	values ('gift.closed', o.gift_id, json_build_object('gift_id', o.gift_id, 'campaign_id', o.campaign_id));
	return true;
end $$;

-- Takes one unpaid order that is due to be asked about; the next look is put off first, so that a crash loses nothing
-- and two processes do not take the same one. First after a minute, then in doubling steps up to ten minutes, then at the end.
create function order_take_due() returns table (out_trade_no text, amount_fen bigint, channel text, expired boolean)
language sql security definer set search_path = donations, pg_temp as $$
	update pay_order o
	set checks = least(o.checks + 1, 30000),
	    next_check_at = case when o.expires_at <= now() then now() + interval '1 minute' * least(power(2, greatest(o.checks - 4, 0)), 60)
	                         else least(now() + interval '1 minute' * least(power(2, o.checks), 10), o.expires_at + interval '5 seconds') end
	where o.out_trade_no = (select d.out_trade_no from pay_order d
	                        where d.state in ('CREATED', 'ORDERED') and d.next_check_at <= now()
	                        order by d.next_check_at limit 1 for update skip locked)
	returning o.out_trade_no, o.amount_fen, o.channel, o.expires_at <= now()
$$;

-- Asks for a refund; the hold on the order refuses what exceeds the payment. A gift that came by bank goes back by bank, by
-- hand: it is told here with the bank's reference, when it is done. Returns the state.
create function refund_request(p_id uuid, p_gift_id uuid, p_out_trade_no text, p_amount_fen bigint, p_reason text, p_by uuid,
	p_bank_reference text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_number text := 'R' || replace(p_id::text, '-', '');
begin
	insert into refund (id, out_refund_no, out_trade_no, gift_id, amount_fen, reason, requested_by, bank_reference)
	values (p_id, v_number, p_out_trade_no, p_gift_id, p_amount_fen, p_reason, p_by, p_bank_reference);
	insert into outbox (type, subject, payload)
	values ('refund.requested', p_gift_id, json_build_object('gift_id', p_gift_id, 'refund_id', p_id, 'amount_fen', p_amount_fen));
	if p_bank_reference is not null then
		return refund_settle(v_number, 'SUCCESS', null, p_amount_fen, now());
	end if;
	return 'REQUESTED';
end $$;

-- What the provider (or staff, for a bank transfer) says of a refund. Repeatable. Returns the state it is in.
create function refund_settle(p_out_refund_no text, p_state text, p_provider_refund_id text, p_amount_fen bigint, p_at timestamptz)
returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f refund;
	v_order pay_order;
begin
	-- the order's row first, as everywhere, so that nothing can wait in a circle
	select o.* into v_order from pay_order o join refund r using (out_trade_no) where r.out_refund_no = p_out_refund_no for update of o;
	select * into f from refund where out_refund_no = p_out_refund_no for update;
	if f.id is null or p_amount_fen <> f.amount_fen then
		insert into payment_exception (out_trade_no, kind, transaction_id, amount_fen)
		values (p_out_refund_no, case when f.id is null then 'UNKNOWN_REFUND' else 'REFUND_MISMATCH' end,
			coalesce(p_provider_refund_id, '-'), p_amount_fen)
		on conflict do nothing;
		return case when f.id is null then 'UNKNOWN_REFUND' else 'REFUND_MISMATCH' end;
	elsif f.state in ('SUCCESS', 'CLOSED') then
		return f.state;
	end if;
	update refund set state = p_state,
		provider_refund_id = coalesce(p_provider_refund_id, provider_refund_id),
		finished_at = case when p_state in ('SUCCESS', 'CLOSED') then coalesce(p_at, now()) end,
		last_error = null
	where id = f.id;
	if p_state = 'SUCCESS' then
		insert into money_entry (gift_id, campaign_id, refund_id, amount_fen, kind, occurred_at)
		values (f.gift_id, v_order.campaign_id, f.id, -f.amount_fen, 'REFUND', coalesce(p_at, now()));
		update gift set refunded_fen = refunded_fen + f.amount_fen,
			state = case when refunded_fen + f.amount_fen = amount_fen then 'REFUNDED' else 'PARTIALLY_REFUNDED' end
		where id = f.gift_id;
		update gift_public set refunded_fen = refunded_fen + f.amount_fen where public_code = split_part(f.out_trade_no, '-', 1);
		insert into outbox (type, subject, payload)
		values ('gift.refunded', f.gift_id, json_build_object('gift_id', f.gift_id, 'campaign_id', v_order.campaign_id,
			'refund_id', f.id, 'amount_fen', f.amount_fen));
	end if;
	return p_state;
end $$;

-- As order_take_due, for refunds that are not final: 5 s, doubling up to an hour.
create function refund_take_due() returns table (id uuid, out_refund_no text, out_trade_no text, amount_fen bigint, total_fen bigint, reason text, state text)
language sql security definer set search_path = donations, pg_temp as $$
	update refund f
	set attempts = f.attempts + 1, next_check_at = now() + interval '5 seconds' * least(power(2, least(f.attempts, 12)), 720)
	from pay_order o
	where o.out_trade_no = f.out_trade_no
	  and f.id = (select d.id from refund d join pay_order p using (out_trade_no)
	              where d.state in ('REQUESTED', 'PROCESSING', 'ABNORMAL') and d.next_check_at <= now() and p.channel = 'WECHAT_JSAPI'
	              order by d.next_check_at limit 1 for update of d skip locked)
	returning f.id, f.out_refund_no, f.out_trade_no, f.amount_fen, o.amount_fen, f.reason, f.state
$$;
create function refund_note_error(p_out_refund_no text, p_error text) returns void
language sql security definer set search_path = donations, pg_temp as $$
	update refund set last_error = left(p_error, 200) where out_refund_no = p_out_refund_no and finished_at is null
$$;
