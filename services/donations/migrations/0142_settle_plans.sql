-- A payment is settled by functions that keep their plans (see 0011 of the runtime), and reads the one month of gifts that it is about: a join
-- opens every month there is.
create or replace function gift_item(p_code text, p_amount bigint, p_refunded bigint, p_name text, p_message text, p_paid_at timestamptz) returns text
language plpgsql immutable parallel safe as $$
begin
	return '{"public_code":"' || p_code || '","amount_fen":' || p_amount
		|| case when p_refunded > 0 then ',"refunded_fen":' || p_refunded else '' end
		|| ',"donor_name":' || to_json(coalesce(p_name, '爱心人士'))::text
		|| coalesce(',"message":' || to_json(p_message)::text, '')
		|| ',"paid_at":"' || rtrim(rtrim(to_char(p_paid_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || '+08:00"'
		|| ',"state":"' || case when p_refunded = 0 then 'PAID' when p_refunded < p_amount then 'PARTIALLY_REFUNDED' else 'REFUNDED' end || '"}';
end $$;

create or replace function payment_notification_store(p_event_id text, p_event_type text, p_serial text, p_body bytea, p_outcome text) returns boolean
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	insert into payment_notification (event_id, event_type, serial, body, outcome)
	values (p_event_id, p_event_type, p_serial, p_body, p_outcome)
	on conflict do nothing;
	return found;
end $$;

create or replace function money_entry_post() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	m money_entry;
	v_bank text;
	v_fund text;
begin
	insert into entry (id, kind, occurred_at, recorded_at, body)
	select coalesce(refund_id, gift_id), case kind when 'PAYMENT' then 'gift.received' else 'gift.refunded' end, occurred_at, recorded_at, '' from made;
	for m in select * from made loop
		v_bank := case (select channel from gift where id = m.gift_id) when 'BANK_TRANSFER' then 'bank:transfer' else 'bank:wechat' end;
		v_fund := 'fund:' || (select code from fund where campaign_id = m.campaign_id);
		insert into posting (entry_id, account, fen, gift_id)
		values (coalesce(m.refund_id, m.gift_id), v_bank, m.amount_fen, m.gift_id), (coalesce(m.refund_id, m.gift_id), v_fund, -m.amount_fen, m.gift_id);
	end loop;
	return null;
end $$;

create or replace function entry_balanced() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_entry uuid;
begin
	if tg_table_name = 'posting' then
		v_entry := new.entry_id;
	else
		v_entry := new.id;
	end if;
	if (select sum(fen) from posting where entry_id = v_entry) is distinct from 0 then
		perform refuse('entry_unbalanced', 'the postings of an entry sum to 0');
	end if;
	return null;
end $$;
