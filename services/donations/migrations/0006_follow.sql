-- Orders and refunds are followed in slices, and a refund that WeChat refuses for good ends as FAILED: staff retry or close it.

-- Takes unpaid orders that are due to be asked about; their next look is put off first, so that a crash loses nothing and two
-- processes do not take the same ones. First after a minute, then in doubling steps up to ten minutes, then at the end.
drop function order_take_due();
create function order_take_due(p_limit integer) returns table (out_trade_no text, amount_fen bigint, channel text, expired boolean)
language sql security definer set search_path = donations, pg_temp as $$
	update pay_order o
	set checks = least(o.checks + 1, 30000),
	    next_check_at = case when o.expires_at <= now() then now() + interval '1 minute' * least(power(2, greatest(o.checks - 4, 0)), 60)
	                         else least(now() + interval '1 minute' * least(power(2, o.checks), 10), o.expires_at + interval '5 seconds') end
	where o.out_trade_no = any(array(select d.out_trade_no from pay_order d
	                                 where d.state in ('CREATED', 'ORDERED') and d.next_check_at <= now()
	                                 order by d.next_check_at limit least(p_limit, 1000) for update skip locked))
	returning o.out_trade_no, o.amount_fen, o.channel, o.expires_at <= now()
$$;

-- As order_take_due, for refunds that are not final: 10 s (longer than one call may take), doubling up to an hour. FAILED waits for staff.
drop function refund_take_due();
create function refund_take_due(p_limit integer)
returns table (id uuid, out_refund_no text, out_trade_no text, amount_fen bigint, total_fen bigint, reason text, state text)
language sql security definer set search_path = donations, pg_temp as $$
	update refund f
	set attempts = f.attempts + 1, next_check_at = now() + least(interval '10 seconds' * power(2, least(f.attempts, 12)), interval '1 hour')
	from pay_order o
	where o.out_trade_no = f.out_trade_no
	  and f.id = any(array(select d.id from refund d join pay_order p using (out_trade_no)
	                       where d.state in ('REQUESTED', 'PROCESSING', 'ABNORMAL') and d.next_check_at <= now() and p.channel = 'WECHAT_JSAPI'
	                       order by d.next_check_at limit least(p_limit, 1000) for update of d skip locked))
	returning f.id, f.out_refund_no, f.out_trade_no, f.amount_fen, o.amount_fen, f.reason, f.state
$$;

-- FAILED: WeChat refused it and says that it knows no such refund. It still holds its amount, since staff may ask again; CLOSED lets go.
alter table refund drop constraint refund_state_consistent;
alter table refund add constraint refund_state_consistent check (case state
	when 'REQUESTED' then finished_at is null
	when 'PROCESSING' then finished_at is null
	when 'ABNORMAL' then finished_at is null
	when 'FAILED' then finished_at is null and last_error is not null
	when 'SUCCESS' then finished_at is not null
	when 'CLOSED' then finished_at is not null
	else false end);
create index refund_failed on refund (id) where state = 'FAILED';
create index refund_newest on refund (id desc);

create or replace function refund_hold() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if tg_op = 'UPDATE' then
		if (new.id, new.out_refund_no, new.out_trade_no, new.gift_id, new.amount_fen, new.created_at)
			is distinct from (old.id, old.out_refund_no, old.out_trade_no, old.gift_id, old.amount_fen, old.created_at) then
			perform refuse('refund_fixed', 'number, order and amount of a refund never change');
		end if;
		if new.state <> old.state and (old.state, new.state) not in (('REQUESTED', 'PROCESSING'), ('REQUESTED', 'SUCCESS'),
			('REQUESTED', 'ABNORMAL'), ('REQUESTED', 'CLOSED'), ('REQUESTED', 'FAILED'), ('PROCESSING', 'SUCCESS'),
			('PROCESSING', 'ABNORMAL'), ('PROCESSING', 'CLOSED'), ('ABNORMAL', 'PROCESSING'), ('ABNORMAL', 'SUCCESS'),
			('ABNORMAL', 'CLOSED'), ('FAILED', 'REQUESTED'), ('FAILED', 'PROCESSING'), ('FAILED', 'SUCCESS'),
			('FAILED', 'ABNORMAL'), ('FAILED', 'CLOSED')) then
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

-- The provider refuses for good. Only what was still being asked for can fail: anything it ever told us of counts more. Returns the state.
create function refund_fail(p_out_refund_no text, p_code text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f refund;
begin
	perform from pay_order o join refund r using (out_trade_no) where r.out_refund_no = p_out_refund_no for update of o;
	select * into f from refund where out_refund_no = p_out_refund_no for update;
	if f.state is distinct from 'REQUESTED' then
		return f.state;
	end if;
	update refund set state = 'FAILED', last_error = left(p_code, 200) where id = f.id;
	insert into outbox (type, subject, payload)
	values ('refund.failed', f.gift_id, json_build_object('gift_id', f.gift_id, 'refund_id', f.id, 'amount_fen', f.amount_fen, 'code', left(p_code, 200)));
	return 'FAILED';
end $$;

-- What staff decided about a refund that failed; append-only.
create table refund_decision (
	id uuid primary key,
	refund_id uuid not null constraint refund_decision_refund references refund (id),
	kind text not null,
	reason text not null,
	decided_by uuid not null,
	decided_at timestamptz not null default now(),
	constraint refund_decision_kind_known check (kind in ('RETRY', 'CLOSE'))
);
create index refund_decision_by_refund on refund_decision (refund_id, id);
create trigger refund_decision_append_only before update or delete on refund_decision
	for each row execute function append_only();
alter table refund_decision enable row level security;
create policy refund_decision_staff on refund_decision for select using (current_kind() = 'staff' and exists (select from refund r where r.id = refund_id));
grant select on refund_decision to yg_donations;

-- Asks again, or gives up and frees the amount. Only FAILED can be decided about: every other refund may still happen at WeChat.
-- Returns the new state, or null when there was nothing to decide.
create function refund_decide(p_id uuid, p_refund_id uuid, p_kind text, p_reason text, p_by uuid) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f refund;
begin
	perform from pay_order o join refund r using (out_trade_no) where r.id = p_refund_id for update of o;
	select * into f from refund where id = p_refund_id for update;
	if f.state is distinct from 'FAILED' then
		return null;
	end if;
	insert into refund_decision (id, refund_id, kind, reason, decided_by) values (p_id, p_refund_id, p_kind, p_reason, p_by);
	if p_kind = 'RETRY' then
		update refund set state = 'REQUESTED', attempts = 0, next_check_at = now() where id = f.id;
		return 'REQUESTED';
	end if;
	update refund set state = 'CLOSED', finished_at = now() where id = f.id;
	insert into outbox (type, subject, payload)
	values ('refund.closed', f.gift_id, json_build_object('gift_id', f.gift_id, 'refund_id', f.id, 'amount_fen', f.amount_fen));
	return 'CLOSED';
end $$;

revoke execute on function order_take_due, refund_take_due, refund_fail, refund_decide from public;
grant execute on function order_take_due, refund_take_due, refund_fail, refund_decide to yg_donations;
