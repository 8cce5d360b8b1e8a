-- Money that fits nothing is somebody's task: staff see it, resolve it once with a reason, and operators see how much is open.

alter table payment_exception drop constraint payment_exception_kind_known;
alter table payment_exception add constraint payment_exception_kind_known check (kind in ('UNKNOWN_ORDER', 'AMOUNT_MISMATCH',
	'SECOND_TRANSACTION', 'TRANSACTION_TAKEN', 'UNKNOWN_REFUND', 'REFUND_MISMATCH', 'REFUND_AFTER_CLOSE'));
create index payment_exception_newest on payment_exception (seen_at desc, id desc);

create table payment_exception_resolution (
	exception_id uuid constraint payment_exception_resolved primary key
		constraint payment_exception_unknown references payment_exception (id),
	reason text not null,
	resolved_by uuid not null,
	resolved_at timestamptz not null default now(),
	constraint payment_exception_reason_length check (length(reason) between 1 and 500)
);
create trigger payment_exception_resolution_append_only before update or delete on payment_exception_resolution
	for each row execute function append_only();

-- A line in the service's log (common/pg logs warnings of the database), where the row is written and wherever it is written from.
create function payment_exception_warn() returns trigger
language plpgsql as $$
begin
	raise warning 'payment exception %: % %, transaction %, % fen', new.id, new.kind, new.out_trade_no, new.transaction_id, new.amount_fen;
	return null;
end $$;
create trigger payment_exception_warn after insert on payment_exception
	for each row execute function payment_exception_warn();

-- Whose money it may be: the unit of the campaign whose order or refund has this number; null when nobody's has.
create function payment_exception_organization(p_number text) returns text
language sql stable security definer set search_path = donations, pg_temp as $$
	select c.organization
	from pay_order o join campaign c on c.id = o.campaign_id
	where o.out_trade_no in (p_number, (select r.out_trade_no from refund r where r.out_refund_no = p_number))
	order by o.out_trade_no = p_number desc limit 1
$$;

-- Staff of the unit and above; what belongs to nobody is for the topmost unit, whose merchant account it is.
alter table payment_exception enable row level security;
create policy payment_exception_staff on payment_exception for select using (current_kind() = 'staff' and case
	when payment_exception_organization(out_trade_no) is null
	then current_setting('yg.organization', true) <> '' and position('/' in current_setting('yg.organization', true)) = 0
	else in_my_organization(payment_exception_organization(out_trade_no)) end);
alter table payment_exception_resolution enable row level security;
create policy payment_exception_resolution_read on payment_exception_resolution for select using (current_kind() = 'staff'
	and exists (select from payment_exception e where e.id = exception_id));
create policy payment_exception_resolution_insert on payment_exception_resolution for insert with check (current_kind() = 'staff'
	and resolved_by = current_subject() and exists (select from payment_exception e where e.id = exception_id));
grant select, insert (exception_id, reason, resolved_by) on payment_exception_resolution to yg_donations;

-- As before, but money that went out after staff had closed its refund is not passed over in silence.
create or replace function refund_settle(p_out_refund_no text, p_state text, p_provider_refund_id text, p_amount_fen bigint, p_at timestamptz)
returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f refund;
	v_order pay_order;
	v_exception text;
begin
	-- the order's row first, as everywhere, so that nothing can wait in a circle
	select o.* into v_order from pay_order o join refund r using (out_trade_no) where r.out_refund_no = p_out_refund_no for update of o;
	select * into f from refund where out_refund_no = p_out_refund_no for update;
	v_exception := case when f.id is null then 'UNKNOWN_REFUND' when p_amount_fen <> f.amount_fen then 'REFUND_MISMATCH'
	                    when f.state = 'CLOSED' and p_state = 'SUCCESS' then 'REFUND_AFTER_CLOSE' end;
	if v_exception is not null then
		insert into payment_exception (out_trade_no, kind, transaction_id, amount_fen)
		values (p_out_refund_no, v_exception, coalesce(p_provider_refund_id, '-'), p_amount_fen)
		on conflict do nothing;
		return v_exception;
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

-- What waits for a person or for the jobs, for the metrics.
create function money_matters() returns table (exceptions_open bigint, refunds_failed bigint, refunds_due bigint, orders_due bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select (select count(*) from payment_exception e where not exists (select from payment_exception_resolution r where r.exception_id = e.id)),
	       (select count(*) from refund where state = 'FAILED'),
	       (select count(*) from refund where state in ('REQUESTED', 'PROCESSING', 'ABNORMAL') and next_check_at <= now()),
	       (select count(*) from pay_order where state in ('CREATED', 'ORDERED') and next_check_at <= now())
$$;

revoke execute on function payment_exception_warn, payment_exception_organization, money_matters from public;
grant execute on function payment_exception_warn, payment_exception_organization, money_matters to yg_donations;
