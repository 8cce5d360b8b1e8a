-- Receipts for gifts (公益事业捐赠统一票据, electronic). Numbers come from the province's platform only; ours is the request's number, under
-- which the platform knows one receipt however often it is asked. One live receipt per gift; a red letter turns one back, once, with a
-- number of its own. The login role may read; every change is a function of the owner.

-- 12345 → 壹佰贰拾叁元肆角伍分. Null for less than one fen, and for ten thousand 亿 yuan and more.
create function fen_in_words(p_fen bigint) returns text
language plpgsql immutable strict parallel safe as $$
declare
	digits constant text[] := array['零', '壹', '贰', '叁', '肆', '伍', '陆', '柒', '捌', '玖'];
	places constant text[] := array['仟', '佰', '拾', ''];
	groups constant text[] := array['亿', '万', ''];
	yuan text := lpad((p_fen / 100)::text, 12, '0');
	jiao integer := p_fen / 10 % 10;
	fen integer := p_fen % 10;
	words text := '';
	gap boolean := false; -- zeros that a later digit has to tell of
	digit integer;
begin
	if p_fen < 1 or p_fen >= 100000000000000 then
		return null;
	end if;
	for g in 0 .. 2 loop
		for p in 0 .. 3 loop
			digit := substr(yuan, g * 4 + p + 1, 1)::integer;
			if digit = 0 then
				gap := words <> '';
			else
				words := words || case when gap then '零' else '' end || digits[digit + 1] || places[p + 1];
				gap := false;
			end if;
		end loop;
		if substr(yuan, g * 4 + 1, 4) <> '0000' then
			words := words || groups[g + 1];
			gap := false; -- 壹拾万柒仟, not 壹拾万零柒仟: zeros at a group's end are not told of
		end if;
	end loop;
	if words <> '' then
		words := words || '元';
	end if;
	if jiao > 0 then
		words := words || digits[jiao + 1] || '角';
	elsif fen > 0 and words <> '' then
		words := words || '零';
	end if;
	return words || case when fen > 0 then digits[fen + 1] || '分' else '整' end;
end $$;

-- A UUIDv7 of now, for rows that come about by themselves.
create function uuid7_new() returns uuid
language sql volatile as $$
	select (substr(uuid7_floor(now())::text, 1, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid
$$;

create table receipt (
	id uuid primary key,
	request_no text not null constraint receipt_request_taken unique,
	gift_id uuid not null,
	public_code text not null,
	campaign_id uuid not null,
	organization text not null,
	donor uuid not null,
	amount_fen bigint not null constraint receipt_amount_positive check (amount_fen > 0),
	amount_words text not null generated always as (fen_in_words(amount_fen)) stored,
	payer_kind text not null constraint receipt_payer_kind_known check (payer_kind in ('PERSON', 'ORGANIZATION')),
	payer_uscc text,
	title bytea not null,
	key_id uuid not null,
	salt bytea constraint receipt_salt_size check (octet_length(salt) = 16),
	commitment text not null constraint receipt_commitment_form check (commitment ~ '^[0-9a-f]{64}$'),
	state text not null default 'REQUESTED',
	created_at timestamptz not null default now(),
	replaces uuid constraint receipt_replaces references receipt (id),
	code text,
	number text,
	check_code text,
	issued_at timestamptz,
	issued_event uuid, -- its leaf
	ended_at timestamptz,
	attempts integer not null default 0,
	last_error text,
	next_check_at timestamptz not null default now(),
	constraint receipt_payer_uscc_kind check (payer_uscc is null or payer_kind = 'ORGANIZATION'),
	constraint receipt_number_form check (code ~ '^[0-9]{8}$' and number ~ '^[0-9]{10}$' and check_code ~ '^[0-9A-Za-z]{6}$'),
	constraint receipt_state_consistent check (case state
		when 'REQUESTED' then num_nonnulls(code, number, check_code, issued_at, issued_event, ended_at) = 0
		when 'FAILED' then num_nonnulls(code, number, check_code, issued_at, issued_event, ended_at) = 0 and last_error is not null
		when 'CLOSED' then num_nonnulls(code, number, check_code, issued_at, issued_event) = 0 and ended_at is not null
		when 'ISSUED' then num_nonnulls(code, number, check_code, issued_at, issued_event) = 5 and ended_at is null
		when 'VOIDED' then num_nonnulls(code, number, check_code, issued_at, issued_event, ended_at) = 6
		else false end)
);
create unique index receipt_live on receipt (gift_id) where state in ('REQUESTED', 'FAILED', 'ISSUED');
create unique index receipt_replaced_once on receipt (replaces) where replaces is not null;
create index receipt_due on receipt (next_check_at) where state = 'REQUESTED';
create index receipt_by_state on receipt (state, id desc);
create index receipt_by_donor on receipt (donor, id desc);
create index receipt_by_gift on receipt (gift_id, id);
create index receipt_by_key on receipt (key_id);
create trigger receipt_kept before delete on receipt for each row execute function append_only();

create function receipt_before_update() returns trigger
language plpgsql set search_path = donations, pg_temp as $$
begin
	if (new.id, new.request_no, new.gift_id, new.public_code, new.campaign_id, new.organization, new.donor, new.amount_fen, new.payer_kind,
			new.payer_uscc, new.title, new.key_id, new.commitment, new.created_at, new.replaces)
		is distinct from (old.id, old.request_no, old.gift_id, old.public_code, old.campaign_id, old.organization, old.donor, old.amount_fen, old.payer_kind,
			old.payer_uscc, old.title, old.key_id, old.commitment, old.created_at, old.replaces)
		or (old.number is not null and (new.code, new.number, new.check_code, new.issued_at, new.issued_event)
			is distinct from (old.code, old.number, old.check_code, old.issued_at, old.issued_event))
		or (new.salt is not null and new.salt is distinct from old.salt) then
		perform refuse('receipt_fixed', 'what a receipt says never changes');
	end if;
	if new.state <> old.state and (old.state, new.state) not in (('REQUESTED', 'ISSUED'), ('REQUESTED', 'FAILED'), ('FAILED', 'REQUESTED'),
		('FAILED', 'ISSUED'), ('FAILED', 'CLOSED'), ('ISSUED', 'VOIDED')) then
		perform refuse('receipt_transition', format('%s to %s', old.state, new.state));
	end if;
	return new;
end $$;
create trigger receipt_before_update before update on receipt for each row execute function receipt_before_update();

-- The red letter. Its request has a number of its own, and so has what the platform makes of it.
create table receipt_reversal (
	receipt_id uuid constraint receipt_reversed_once primary key constraint receipt_reversal_receipt references receipt (id),
	id uuid not null constraint receipt_reversal_taken unique,
	request_no text not null constraint receipt_reversal_request_taken unique,
	reason text not null,
	requested_by uuid, -- null: a refund
	state text not null default 'REQUESTED',
	created_at timestamptz not null default now(),
	code text,
	number text,
	check_code text,
	voided_at timestamptz,
	attempts integer not null default 0,
	last_error text,
	next_check_at timestamptz not null default now(),
	constraint receipt_reversal_number_form check (code ~ '^[0-9]{8}$' and number ~ '^[0-9]{10}$' and check_code ~ '^[0-9A-Za-z]{6}$'),
	constraint receipt_reversal_consistent check (case state
		when 'REQUESTED' then num_nonnulls(code, number, check_code, voided_at) = 0
		when 'FAILED' then num_nonnulls(code, number, check_code, voided_at) = 0 and last_error is not null
		when 'VOIDED' then num_nonnulls(code, number, check_code, voided_at) = 4
		else false end)
);
create index receipt_reversal_due on receipt_reversal (next_check_at) where state = 'REQUESTED';
create trigger receipt_reversal_kept before delete on receipt_reversal for each row execute function append_only();

create function receipt_reversal_before_update() returns trigger
language plpgsql set search_path = donations, pg_temp as $$
begin
	if (new.receipt_id, new.id, new.request_no, new.reason, new.requested_by, new.created_at)
		is distinct from (old.receipt_id, old.id, old.request_no, old.reason, old.requested_by, old.created_at)
		or old.state = 'VOIDED' or (old.state, new.state) = ('FAILED', 'FAILED') then
		perform refuse('receipt_fixed', 'what a red letter says never changes');
	end if;
	return new;
end $$;
create trigger receipt_reversal_before_update before update on receipt_reversal for each row execute function receipt_reversal_before_update();

-- Every number that the platform gave, for whatever: none is used twice.
create table receipt_number (
	code text not null,
	number text not null,
	receipt_id uuid not null constraint receipt_number_receipt references receipt (id),
	kind text not null constraint receipt_number_kind_known check (kind in ('ISSUE', 'REVERSAL')),
	constraint receipt_number_taken primary key (code, number),
	constraint receipt_numbered_once unique (receipt_id, kind)
);
create trigger receipt_number_append_only before update or delete on receipt_number for each row execute function append_only();

-- At commit: a receipt's and a red letter's numbers stand in receipt_number, and VOIDED receipts are those with a red letter.
create function receipt_whole() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from receipt r left join receipt_reversal v on v.receipt_id = r.id
		left join receipt_number n on n.receipt_id = r.id and n.kind = 'ISSUE' left join receipt_number m on m.receipt_id = r.id and m.kind = 'REVERSAL'
		where r.id = coalesce(to_json(new) ->> 'receipt_id', to_json(new) ->> 'id')::uuid
		and ((r.code, r.number) is distinct from (n.code, n.number) or (v.code, v.number) is distinct from (m.code, m.number)
			or (r.state = 'VOIDED') is distinct from (coalesce(v.state, '') = 'VOIDED')
			or (v.receipt_id is not null and r.state not in ('ISSUED', 'VOIDED')))) then
		perform refuse('receipt_numbers', 'numbers, states and red letter do not fit together');
	end if;
	return null;
end $$;
create constraint trigger receipt_whole after insert or update on receipt deferrable initially deferred for each row execute function receipt_whole();
create constraint trigger receipt_reversal_whole after insert or update on receipt_reversal deferrable initially deferred for each row execute function receipt_whole();
create constraint trigger receipt_number_whole after insert on receipt_number deferrable initially deferred for each row execute function receipt_whole();

-- No receipt was wanted (art. 20 of the law: it is recorded). Append-only; who asks for one later gets it.
create table receipt_waiver (
	id uuid primary key,
	gift_id uuid not null constraint receipt_waived_once unique,
	public_code text not null,
	organization text not null,
	donor uuid not null,
	kind text not null constraint receipt_waiver_kind_known check (kind in ('ANONYMOUS', 'DONOR_WISH')),
	note text,
	recorded_by uuid not null,
	recorded_at timestamptz not null default now()
);
create index receipt_waiver_newest on receipt_waiver (recorded_at desc, id desc);
create trigger receipt_waiver_append_only before update or delete on receipt_waiver for each row execute function append_only();

-- ── asking, as the donor ──
create function receipt_request(p_id uuid, p_gift_id uuid, p_kind text, p_uscc text, p_title bytea, p_key_id uuid, p_wrapped_key bytea, p_salt bytea,
	p_commitment text) returns receipt
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g gift;
	r receipt;
begin
	-- the gift's row first, as everywhere: a refund that settles meanwhile waits, and then sees this receipt
	select * into g from gift where id = p_gift_id and current_kind() = 'citizen' and donor = current_subject() for update;
	if g.id is null then
		perform refuse('receipt_gift_unknown', 'no such gift of the caller');
	elsif g.paid_at is null then
		perform refuse('receipt_gift_unpaid', g.state);
	elsif g.amount_fen = g.refunded_fen then
		perform refuse('receipt_gift_refunded', 'nothing of it is left');
	end if;
	insert into person_key (key_id, subject, wrapped_key) values (p_key_id, g.donor, p_wrapped_key);
	insert into receipt (id, request_no, gift_id, public_code, campaign_id, organization, donor, amount_fen, payer_kind, payer_uscc, title, key_id, salt, commitment)
	select p_id, replace(p_id::text, '-', ''), g.id, g.public_code, g.campaign_id, c.organization, g.donor, g.amount_fen - g.refunded_fen, p_kind, p_uscc,
		p_title, p_key_id, p_salt, p_commitment
	from campaign c where c.id = g.campaign_id
	returning * into r;
	return r;
end $$;

create function receipt_waive(p_id uuid, p_gift_id uuid, p_kind text, p_note text) returns receipt_waiver
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	w receipt_waiver;
	v_organization text;
	g gift;
begin
	select * into g from gift where id = p_gift_id for update;
	select organization into v_organization from campaign where id = g.campaign_id;
	if v_organization is null or not (case current_kind() when 'staff' then in_my_organization(v_organization) when 'citizen' then g.donor = current_subject() else false end) then
		perform refuse('receipt_gift_unknown', 'no such gift of the caller or the unit');
	elsif g.paid_at is null then
		perform refuse('receipt_gift_unpaid', g.state);
	elsif exists (select from receipt where gift_id = g.id and state in ('REQUESTED', 'FAILED', 'ISSUED')) then
		perform refuse('receipt_live', 'there is a receipt');
	elsif p_kind = 'ANONYMOUS' and g.disclosure <> 'ANONYMOUS' then
		perform refuse('receipt_waiver_anonymous', g.disclosure);
	end if;
	insert into receipt_waiver (id, gift_id, public_code, organization, donor, kind, note, recorded_by)
	values (p_id, g.id, g.public_code, v_organization, g.donor, p_kind, p_note, current_subject())
	returning * into w;
	return w;
end $$;

-- ── what happens by itself ──

-- The gift is worth less than its receipt: the receipt is turned back; what is left gets a new one when the red letter is there.
-- A request that is under way is left alone: only its outcome says whether there is something to turn back.
create function receipt_fit(p_gift_id uuid) returns void
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	g gift;
	r receipt;
	v_new uuid := uuid7_new();
begin
	select * into g from gift where id = p_gift_id for update;
	select * into r from receipt where gift_id = p_gift_id and state in ('REQUESTED', 'FAILED', 'ISSUED') for update;
	if r.state = 'ISSUED' and r.amount_fen <> g.amount_fen - g.refunded_fen then
		insert into receipt_reversal (receipt_id, id, request_no, reason) values (r.id, v_new, replace(v_new::text, '-', ''), '退款冲红')
		on conflict (receipt_id) do nothing;
	elsif r.state = 'FAILED' and r.amount_fen <> g.amount_fen - g.refunded_fen then
		update receipt set state = 'CLOSED', ended_at = now() where id = r.id;
		perform receipt_replace(r.id);
	end if;
end $$;

-- A new receipt for the rest, with the same title; nothing when nothing is left, or when the title's key is gone.
create function receipt_replace(p_id uuid) returns void
language sql volatile security definer set search_path = donations, pg_temp as $$
	with made as (select uuid7_new() as id)
	insert into receipt (id, request_no, gift_id, public_code, campaign_id, organization, donor, amount_fen, payer_kind, payer_uscc, title, key_id, salt, commitment, replaces)
	select made.id, replace(made.id::text, '-', ''), r.gift_id, r.public_code, r.campaign_id, r.organization, r.donor, g.amount_fen - g.refunded_fen,
		r.payer_kind, r.payer_uscc, r.title, r.key_id, r.salt, r.commitment, r.id
	from made, receipt r join gift g on g.id = r.gift_id
	where r.id = p_id and g.amount_fen > g.refunded_fen and exists (select from person_key k where k.key_id = r.key_id)
$$;

create function receipt_gift_refunded() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	perform receipt_fit(new.id);
	return null;
end $$;
create trigger receipt_gift_refunded after update of refunded_fen on gift
	for each row when (new.refunded_fen > old.refunded_fen) execute function receipt_gift_refunded();

create function receipt_key_gone() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	update receipt set salt = null where key_id = old.key_id and salt is not null;
	return null;
end $$;
create trigger receipt_key_gone after delete on person_key for each row execute function receipt_key_gone();

-- ── the job ──

-- What is due, receipts and red letters; their next look is put off first: 30 s (longer than a call and the look after it may take), doubling up to an hour.
create function receipt_take_due(p_limit integer) returns table (kind text, request_no text, amount_fen bigint, amount_words text, payer_kind text, payer_uscc text,
	title bytea, wrapped_key bytea, item text, public_code text, original_code text, original_number text, reason text)
language sql security definer set search_path = donations, pg_temp as $$
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

-- The platform has given a number for this request of ours. Returns the state; hearing it again changes nothing.
create function receipt_settle(p_request_no text, p_amount_fen bigint, p_code text, p_number text, p_check_code text, p_at timestamptz) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	r receipt;
	v_gift uuid := (select gift_id from receipt where request_no = p_request_no);
	v_event uuid;
begin
	perform from gift where id = v_gift for update;
	select * into r from receipt where request_no = p_request_no for update;
	if r.state = 'CLOSED' then
		raise warning 'receipt %: number % % came after it was closed; it must be turned back at the platform by hand', r.request_no, p_code, p_number;
	end if;
	if r.id is null or r.state not in ('REQUESTED', 'FAILED') then
		return r.state;
	elsif p_amount_fen <> r.amount_fen then
		raise warning 'receipt %: the platform says % fen, we asked for %', r.request_no, p_amount_fen, r.amount_fen;
		update receipt set last_error = 'AMOUNT_MISMATCH' where id = r.id;
		return r.state;
	end if;
	v_event := outbox_leaf('receipt.issued', r.id::text, json_build_object('receipt_id', r.id, 'gift_id', r.gift_id, 'organization', r.organization, 'amount_fen', r.amount_fen),
		'receipt.issued', r.public_code, p_at, json_build_object('campaign_id', r.campaign_id, 'code', p_code, 'number', p_number, 'amount_fen', r.amount_fen),
		json_build_object('payer', r.commitment), null, (select json_build_array(event_id) from entry_leaf where entry_id = r.gift_id));
	insert into receipt_number (code, number, receipt_id, kind) values (p_code, p_number, r.id, 'ISSUE');
	update receipt set state = 'ISSUED', code = p_code, number = p_number, check_code = p_check_code, issued_at = p_at, issued_event = v_event, last_error = null
	where id = r.id;
	perform receipt_fit(r.gift_id);
	return 'ISSUED';
end $$;

create function receipt_reversal_settle(p_request_no text, p_amount_fen bigint, p_code text, p_number text, p_check_code text, p_at timestamptz) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v receipt_reversal;
	r receipt;
	v_gift uuid := (select x.gift_id from receipt x join receipt_reversal y on y.receipt_id = x.id where y.request_no = p_request_no);
begin
	perform from gift where id = v_gift for update;
	select x.* into r from receipt x join receipt_reversal y on y.receipt_id = x.id where y.request_no = p_request_no for update of x;
	select * into v from receipt_reversal where request_no = p_request_no for update;
	if v.id is null or v.state = 'VOIDED' then
		return v.state;
	elsif p_amount_fen <> -r.amount_fen then
		raise warning 'red letter %: the platform says % fen, the receipt %', v.request_no, p_amount_fen, r.amount_fen;
		update receipt_reversal set state = 'REQUESTED', last_error = 'AMOUNT_MISMATCH' where receipt_id = r.id;
		return v.state;
	end if;
	insert into receipt_number (code, number, receipt_id, kind) values (p_code, p_number, r.id, 'REVERSAL');
	update receipt_reversal set state = 'VOIDED', code = p_code, number = p_number, check_code = p_check_code, voided_at = p_at, last_error = null where receipt_id = r.id;
	update receipt set state = 'VOIDED', ended_at = now() where id = r.id;
	perform outbox_leaf('receipt.voided', r.id::text, json_build_object('receipt_id', r.id, 'gift_id', r.gift_id, 'organization', r.organization, 'amount_fen', r.amount_fen),
		'receipt.voided', r.public_code, p_at, json_build_object('campaign_id', r.campaign_id, 'code', p_code, 'number', p_number, 'amount_fen', -r.amount_fen,
			'original', json_build_object('code', r.code, 'number', r.number)),
		null, null, json_build_array(r.issued_event));
	if v.requested_by is null then
		perform receipt_replace(r.id);
	end if;
	return 'VOIDED';
end $$;

-- The platform refuses for good, and knows no receipt of this number.
create function receipt_fail(p_request_no text, p_code text) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_gift uuid := (select gift_id from receipt where request_no = p_request_no);
begin
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

create function receipt_note_error(p_request_no text, p_error text) returns void
language sql security definer set search_path = donations, pg_temp as $$
	update receipt set last_error = left(p_error, 200) where request_no = p_request_no and state = 'REQUESTED';
	update receipt_reversal set last_error = left(p_error, 200) where request_no = p_request_no and state = 'REQUESTED'
$$;

-- ── staff ──
create function receipt_take(p_id uuid) returns receipt
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	r receipt;
begin
	select * into r from receipt where id = p_id;
	if r.id is null or current_kind() is distinct from 'staff' or not in_my_organization(r.organization) then
		perform refuse('receipt_unknown', 'no such receipt of the unit');
	end if;
	perform from gift where id = r.gift_id for update;
	select * into r from receipt where id = p_id for update;
	return r;
end $$;

-- Turns an issued one back by red letter; gives up one that failed.
create function receipt_void(p_new uuid, p_id uuid, p_reason text) returns receipt
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
	return r;
end $$;

-- Asks again, under the same number.
create function receipt_retry(p_id uuid) returns receipt
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	r receipt := receipt_take(p_id);
begin
	if r.state = 'FAILED' then
		update receipt set state = 'REQUESTED', attempts = 0, next_check_at = now() where id = r.id returning * into r;
		return r;
	end if;
	update receipt_reversal set state = 'REQUESTED', attempts = 0, next_check_at = now() where receipt_id = r.id and state = 'FAILED';
	if not found then
		perform refuse('receipt_transition', r.state);
	end if;
	return r;
end $$;

-- The red letter as the answers show it.
create function receipt_reversal_shown(p_id uuid) returns json
language sql volatile as $$
	select json_strip_nulls(json_build_object('state', v.state, 'reason', v.reason, 'code', v.code, 'number', v.number, 'check_code', v.check_code,
		'voided_at', rfc3339(v.voided_at), 'last_error', case current_kind() when 'staff' then v.last_error end))
	from receipt_reversal v where v.receipt_id = p_id
$$;

-- The key of a title, for staff who may see the receipt.
create function receipt_title_key(p_id uuid) returns bytea
language sql stable security definer set search_path = donations, pg_temp as $$
	select k.wrapped_key from receipt r join person_key k using (key_id)
	where r.id = p_id and case current_kind() when 'staff' then in_my_organization(r.organization) when 'citizen' then r.donor = current_subject() else false end
$$;

alter table receipt enable row level security;
create policy receipt_own on receipt for select using (current_kind() = 'citizen' and donor = current_subject());
create policy receipt_staff on receipt for select using (current_kind() = 'staff' and in_my_organization(organization));
alter table receipt_reversal enable row level security;
create policy receipt_reversal_seen on receipt_reversal for select using (exists (select from receipt r where r.id = receipt_id));
alter table receipt_number enable row level security;
create policy receipt_number_seen on receipt_number for select using (exists (select from receipt r where r.id = receipt_id));
alter table receipt_waiver enable row level security;
create policy receipt_waiver_own on receipt_waiver for select using (current_kind() = 'citizen' and donor = current_subject());
create policy receipt_waiver_staff on receipt_waiver for select using (current_kind() = 'staff' and in_my_organization(organization));

grant select on receipt, receipt_reversal, receipt_number, receipt_waiver to yg_donations;
revoke execute on function fen_in_words, uuid7_new, receipt_before_update, receipt_reversal_before_update, receipt_whole, receipt_request, receipt_waive, receipt_fit, receipt_replace,
	receipt_gift_refunded, receipt_key_gone, receipt_take_due, receipt_settle, receipt_reversal_settle, receipt_fail, receipt_note_error, receipt_take, receipt_void,
	receipt_retry, receipt_reversal_shown, receipt_title_key from public;
grant execute on function fen_in_words, receipt_request, receipt_waive, receipt_take_due, receipt_settle, receipt_reversal_settle, receipt_fail, receipt_note_error,
	receipt_void, receipt_retry, receipt_reversal_shown, receipt_title_key to yg_donations;
