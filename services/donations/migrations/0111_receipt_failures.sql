-- Receipts that failed are counted, jobs' functions are the job's, salts are the donor's, and titles of receipts that never were issued go.

-- As before, with receipts and red letters that wait for a person.
drop function money_matters();
create function money_matters() returns table (exceptions_open bigint, refunds_failed bigint, refunds_due bigint, orders_due bigint,
	receipts_failed bigint, red_letters_failed bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select (select count(*) from payment_exception e where not exists (select from payment_exception_resolution r where r.exception_id = e.id)),
	       (select count(*) from refund where state = 'FAILED'),
	       (select count(*) from refund where state in ('REQUESTED', 'PROCESSING', 'ABNORMAL') and next_check_at <= now()),
	       (select count(*) from pay_order where state in ('CREATED', 'ORDERED') and next_check_at <= now()),
	       (select count(*) from receipt where state = 'FAILED'),
	       (select count(*) from receipt_reversal where state = 'FAILED')
$$;
create index receipt_reversal_failed on receipt_reversal (receipt_id) where state = 'FAILED';

-- The list of a unit and those below: each unit's newest from one index, so that a small unit does not walk the receipts of all.
create index receipt_by_unit on receipt (organization, id desc);
create function receipt_units() returns setof text
language sql stable security definer set search_path = donations, pg_temp as $$
	with recursive u as (
		(select min(organization) as unit from receipt)
		union all
		select (select min(r.organization) from receipt r where r.organization > u.unit) from u where u.unit is not null
	)
	select unit from u where unit is not null and current_kind() = 'staff' and in_my_organization(unit)
$$;

-- The job's own.
create or replace function receipt_take_due(p_limit integer) returns table (kind text, request_no text, amount_fen bigint, amount_words text, payer_kind text, payer_uscc text,
	title bytea, wrapped_key bytea, item text, public_code text, original_code text, original_number text, reason text)
language sql security definer set search_path = donations, pg_temp as $$
	select receipt_job();
	with asked as (
		update receipt r set attempts = r.attempts + 1, next_check_at = now() + least(interval '30 seconds' * power(2, least(r.attempts, 12)), interval '1 hour')
		where r.id = any(array(select d.id from receipt d where d.state = 'REQUESTED' and d.next_check_at <= now()
		                       order by d.next_check_at limit least(p_limit, 1000) for update skip locked))
		returning r.*
	), turned as (
		update receipt_reversal v set attempts = v.attempts + 1, next_check_at = now() + least(interval '30 seconds' * power(2, least(v.attempts, 12)), interval '1 hour')
		where v.receipt_id = any(array(select d.receipt_id from receipt_reversal d where d.state = 'REQUESTED' and d.next_check_at <= now()
		                               order by d.next_check_at limit least(p_limit, 1000) for update skip locked))
		returning v.*
	)
	select 'ISSUE', r.request_no, r.amount_fen, r.amount_words, r.payer_kind, r.payer_uscc, r.title, k.wrapped_key, c.title, r.public_code, null, null, null
	from asked r join campaign c on c.id = r.campaign_id left join person_key k using (key_id)
	union all
	select 'REVERSAL', v.request_no, r.amount_fen, r.amount_words, r.payer_kind, null, null, null, null, r.public_code, r.code, r.number, v.reason
	from turned v join receipt r on r.id = v.receipt_id
$$;

create or replace function receipt_fail(p_request_no text, p_code text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_gift uuid := (select gift_id from receipt where request_no = p_request_no);
begin
	perform receipt_job();
	perform from gift where id = v_gift for update;
	update receipt set state = 'FAILED', last_error = left(p_code, 200) where request_no = p_request_no and state = 'REQUESTED';
	if found then
		raise warning 'receipt % was refused: %', p_request_no, left(p_code, 200);
		perform receipt_fit(v_gift);
		return 'FAILED';
	end if;
	update receipt_reversal set state = 'FAILED', last_error = left(p_code, 200) where request_no = p_request_no and state = 'REQUESTED';
	if found then
		raise warning 'red letter % was refused: %', p_request_no, left(p_code, 200);
		return 'FAILED';
	end if;
	return null;
end $$;

create or replace function receipt_note_error(p_request_no text, p_error text) returns void
language sql security definer set search_path = donations, pg_temp as $$
	select receipt_job();
	update receipt set last_error = left(p_error, 200) where request_no = p_request_no and state = 'REQUESTED';
	update receipt_reversal set last_error = left(p_error, 200) where request_no = p_request_no and state = 'REQUESTED'
$$;

-- With the salt and the commitment in the public log anybody could try names: it is for the donor, who may open his own.
revoke select on receipt from yg_donations;
grant select (id, request_no, gift_id, public_code, campaign_id, organization, donor, amount_fen, amount_words, payer_kind, payer_uscc, title, key_id, commitment,
	state, created_at, replaces, code, number, check_code, issued_at, issued_event, ended_at, attempts, last_error, next_check_at) on receipt to yg_donations;
create function receipt_salt(p_id uuid) returns bytea
language sql stable security definer set search_path = donations, pg_temp as $$
	select salt from receipt where id = p_id and current_kind() = 'citizen' and donor = current_subject()
$$;
create or replace function receipt_void(p_new uuid, p_id uuid, p_reason text) returns receipt
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	r receipt := receipt_take(p_id);
begin
	if r.state = 'ISSUED' then
		insert into receipt_reversal (receipt_id, id, request_no, reason, requested_by) values (r.id, p_new, replace(p_new::text, '-', ''), p_reason, current_subject());
	elsif r.state = 'FAILED' then
		update receipt set state = 'CLOSED', ended_at = now() where id = r.id returning * into r;
	else
		perform refuse('receipt_transition', r.state);
	end if;
	r.salt := null;
	return r;
end $$;
create or replace function receipt_retry(p_id uuid) returns receipt
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	r receipt := receipt_take(p_id);
begin
	if r.state = 'FAILED' then
		update receipt set state = 'REQUESTED', attempts = 0, next_check_at = now() where id = r.id returning * into r;
	else
		update receipt_reversal set state = 'REQUESTED', attempts = 0, next_check_at = now() where receipt_id = r.id and state = 'FAILED';
		if not found then
			perform refuse('receipt_transition', r.state);
		end if;
	end if;
	r.salt := null;
	return r;
end $$;

-- A title is kept as long as a receipt has it, or may get a number. At commit, so that a replacement with the same title is there.
create function receipt_title_forget() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	delete from person_key k where k.key_id = new.key_id
	and not exists (select from receipt r where r.key_id = new.key_id and r.state <> 'CLOSED');
	return null;
end $$;
create constraint trigger receipt_title_forget after update of state on receipt deferrable initially deferred
	for each row when (new.state = 'CLOSED') execute function receipt_title_forget();
delete from person_key k using receipt r
where r.key_id = k.key_id and r.state = 'CLOSED' and not exists (select from receipt o where o.key_id = k.key_id and o.state <> 'CLOSED');

revoke execute on function money_matters, receipt_units, receipt_salt, receipt_title_forget from public;
grant execute on function money_matters, receipt_units, receipt_salt to yg_donations;
