-- Lanes for failed logins, so that nobody can be kept out by a stranger; names of citizens and contacts of partners under keys of
-- their own.

-- ── devices ──
-- A device that the person signed in from (kind DEVICE), or a code that another administrator gave for the first login from a new
-- one (ENTRY, used up by that login). 256 random bits, as SHA-256. It opens nothing: it only stands in a queue of its own.
create table known_device (
	sha256 bytea primary key,
	staff_id uuid not null constraint known_device_staff_unknown references staff (id),
	kind text not null,
	created_at timestamptz not null default now(),
	created_by uuid,
	last_ok_at timestamptz,
	expires_at timestamptz not null,
	constraint known_device_digest_length check (length(sha256) = 32),
	constraint known_device_kind_known check (kind in ('DEVICE', 'ENTRY'))
);
create index known_device_staff on known_device (staff_id, kind, created_at desc);
create index known_device_expiry on known_device (expires_at);
create index known_network_network on known_network (network);

alter table auth_event drop constraint auth_event_known;
alter table auth_event add constraint auth_event_known check (event ~ '^[A-Z][A-Z_]{2,39}$'); -- a misspelt word, not a new one

-- ── charging ──
drop function throttle_charge(text, text, text, text, integer[], integer[], integer[]);
drop function staff_sign_in(uuid, bigint, uuid, text, bytea, text, text, boolean, text, text, text);

-- The row of a bucket, locked to the end of the transaction; failures of more than a day ago are forgotten.
create function throttle_take(p_bucket text) returns throttle
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	t throttle;
begin
	insert into throttle (bucket) values (p_bucket) on conflict do nothing;
	select * into t from throttle where bucket = p_bucket for update;
	if t.last_at < now() - interval '1 day' then
		t.failures := 0;
	end if;
	return t;
end $$;

create function throttle_add(p_bucket text, p_failures integer, p_schedule integer[]) returns void
language sql security definer set search_path = identity, pg_temp as $$
	update throttle set failures = least(p_failures + 1, 1000000), last_at = now(), blocked_until = now() + schedule_at(p_schedule, p_failures + 1)
	where bucket = p_bucket
$$;

create function throttle_wait_s(p_until timestamptz) returns integer
language sql stable as $$ select ceil(extract(epoch from greatest(p_until - now(), interval '0')))::integer $$;

-- One bucket: the seconds to wait (0: go on; the attempt is charged). What is refused writes nothing, here and in login_charge, so
-- that hammering costs little and leaves no rows behind; the row is locked and looked at again only to be charged.
create function throttle_charge(p_bucket text, p_schedule integer[]) returns integer
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	t throttle;
begin
	select * into t from throttle where bucket = p_bucket;
	if coalesce(t.blocked_until <= now(), true) then
		t := throttle_take(p_bucket);
	end if;
	if coalesce(t.blocked_until <= now(), true) then
		perform throttle_add(p_bucket, t.failures, p_schedule);
		return 0;
	end if;
	return throttle_wait_s(t.blocked_until);
end $$;

-- Which queue an attempt stands in, before anything is known about its password. Each has buckets of its own, so that what happens in
-- one is not felt in another:
--   PROOF      two one-time codes in a row were right
--   DEVICE     the person's own device, or an entry code
--   OFFICE     a network that any of the staff signed in from within 90 days; the same for every name, so that it tells nothing of one
--   ELSEWHERE  everything else
create function login_lane(p_username text, p_device bytea, p_proved boolean, p_network text) returns text
language sql stable security definer set search_path = identity, pg_temp as $$
	select case
		when p_proved then 'PROOF'
		when exists (select from known_device d join staff s on s.id = d.staff_id
		             where d.sha256 = p_device and s.username = p_username and d.expires_at > now()) then 'DEVICE'
		when exists (select from known_network where network = p_network and last_ok_at > now() - interval '90 days') then 'OFFICE'
		else 'ELSEWHERE' end
$$;

-- Charges an attempt before its password is looked at, so that attempts made at the same moment count too. Gives the seconds to wait
-- (0: go on) and the lane. A refused attempt is not charged: hammering makes nobody's wait longer. ELSEWHERE there are four buckets,
-- always locked in this order: (name, network); (name, wide network), which only counts; the name, which does not hold up a wide network that
-- failed fewer than three times within a day; the network. The schedules are those of rules.c.
create function login_charge(p_username text, p_device bytea, p_proved boolean, p_proof text, p_pair text, p_wide text, p_user text,
	p_network text, p_pair_schedule integer[], p_user_schedule integer[], p_network_schedule integer[],
	out o_wait_s integer, out o_lane text)
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	pair throttle;
	wide throttle;
	name throttle;
	net throttle;
begin
	o_lane := login_lane(p_username, p_device, p_proved, p_network);
	if o_lane <> 'ELSEWHERE' then
		o_wait_s := throttle_charge(login_bucket(o_lane, p_device, p_proof, p_pair), p_pair_schedule);
		return;
	end if;
	select * into wide from throttle where bucket = p_wide and last_at >= now() - interval '1 day';
	select throttle_wait_s(max(blocked_until)) into o_wait_s from throttle
	where bucket in (p_pair, p_network) or bucket = p_user and wide.failures >= 3;
	if o_wait_s > 0 then
		return;
	end if;
	pair := throttle_take(p_pair);
	wide := throttle_take(p_wide);
	name := throttle_take(p_user);
	net := throttle_take(p_network);
	o_wait_s := throttle_wait_s(greatest(pair.blocked_until, net.blocked_until, case when wide.failures >= 3 then name.blocked_until end));
	if o_wait_s = 0 then
		perform throttle_add(p_pair, pair.failures, p_pair_schedule);
		perform throttle_add(p_wide, wide.failures, '{0}');
		perform throttle_add(p_user, name.failures, p_user_schedule);
		perform throttle_add(p_network, net.failures, p_network_schedule);
	end if;
end $$;

create function login_bucket(p_lane text, p_device bytea, p_proof text, p_pair text) returns text
language sql immutable as $$
	select case p_lane when 'PROOF' then p_proof when 'DEVICE' then 'device ' || encode(p_device, 'hex') else p_pair end
$$;

-- The last word: uses the time step up, takes the attempt's charge back, remembers network and device, opens the session. False: the
-- code was used before, or the account was disabled in between.
create function staff_sign_in(p_staff uuid, p_totp_step bigint, p_session uuid, p_organization text, p_sha256 bytea, p_network_shown text,
	p_client_device text, p_lane text, p_device bytea, p_new_device bytea, p_proof text, p_pair text, p_wide text, p_user text, p_network text,
	out o_opened boolean, out o_device_added boolean)
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update staff set totp_last_step = coalesce(p_totp_step, totp_last_step)
	where id = p_staff and state = 'ACTIVE' and (p_totp_step is null and totp_state <> 'CONFIRMED' or p_totp_step > totp_last_step);
	o_opened := found;
	o_device_added := false;
	if not o_opened then
		return;
	end if;
	delete from throttle where bucket = login_bucket(p_lane, p_device, p_proof, p_pair);
	if p_lane = 'ELSEWHERE' then -- one's own success takes back one's own charge, never a stranger's
		delete from throttle where bucket = p_wide;
		update throttle set failures = greatest(failures - 1, 0), blocked_until = null where bucket = p_user;
		update throttle set failures = greatest(failures - 1, 0), blocked_until = null where bucket = p_network;
	end if;
	-- five networks a person: nobody makes the whole internet an office
	insert into known_network (staff_id, network) values (p_staff, p_network)
	on conflict (staff_id, network) do update set last_ok_at = now();
	delete from known_network where staff_id = p_staff and network in
		(select network from known_network where staff_id = p_staff order by last_ok_at desc, network offset 5);
	update known_device set last_ok_at = now(), expires_at = now() + interval '180 days'
	where sha256 = p_device and staff_id = p_staff and kind = 'DEVICE' and expires_at > now();
	if not found then
		delete from known_device where sha256 = p_device and staff_id = p_staff; -- an entry code is used up
		insert into known_device (sha256, staff_id, kind, last_ok_at, expires_at)
		values (p_new_device, p_staff, 'DEVICE', now(), now() + interval '180 days');
		delete from known_device where sha256 in
			(select sha256 from known_device where staff_id = p_staff and kind = 'DEVICE' order by last_ok_at desc offset 20);
		perform event_add('DEVICE_ADDED', 'staff', p_staff, p_session, null, p_network_shown, null);
		o_device_added := true;
	end if;
	perform session_open(p_session, 'staff', p_staff, 'staff-console', p_organization, p_sha256, p_network_shown, p_client_device);
end $$;

-- Given by an administrator of the person's unit who reaches all the person's roles, for 24 hours; null when there is no such person.
create function entry_code_add(p_staff uuid, p_sha256 bytea, p_actor uuid) returns timestamptz
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	v_until timestamptz := now() + interval '24 hours';
begin
	perform 1 from staff where id = p_staff and current_kind() = 'staff' and in_my_organization(organization) and not staff_outranks(id)
	for update;
	if not found then
		return null;
	end if;
	delete from known_device where staff_id = p_staff and kind = 'ENTRY'; -- one at a time
	insert into known_device (sha256, staff_id, kind, created_by, expires_at) values (p_sha256, p_staff, 'ENTRY', p_actor, v_until);
	perform event_add('ENTRY_CODE_MADE', 'staff', p_staff, null, p_actor, null, null);
	return v_until;
end $$;

-- A disabled account forgets its devices.
create function staff_disabled() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	delete from known_device where staff_id = new.id;
	return null;
end $$;
create trigger staff_disabled after update of state on staff for each row
	when (new.state = 'DISABLED' and old.state <> 'DISABLED') execute function staff_disabled();

create function device_prune() returns integer
language sql security definer set search_path = identity, pg_temp as $$
	with gone as (
		delete from known_device where sha256 in (select sha256 from known_device where expires_at < now() order by expires_at limit 5000) returning 1
	)
	select count(*)::integer from gone
$$;

-- ── personal data ──
-- The clear columns stay only until job pii_reseal has sealed and emptied them; from now on nothing new gets in. A later migration
-- drops them.
alter table citizen add column display_name_sealed bytea;
alter table citizen add constraint citizen_name_key check (display_name_sealed is null or wrapped_key is not null);
alter table partner add column wrapped_key bytea;
alter table partner add column contact_sealed bytea;
alter table partner add column contact_masked text;
alter table partner add constraint partner_contact_key
	check (num_nulls(contact_sealed, contact_masked) in (0, 2) and (contact_sealed is null or wrapped_key is not null));
create index citizen_name_clear on citizen (id) where display_name is not null;
create index partner_contact_clear on partner (id) where contact is not null;

create function citizen_name_stays_sealed() returns trigger
language plpgsql as $$
begin
	perform refuse('citizen_name_sealed', 'names of citizens are stored sealed');
	return null;
end $$;
create trigger citizen_name_insert before insert on citizen for each row when (new.display_name is not null)
	execute function citizen_name_stays_sealed();
create trigger citizen_name_update before update of display_name on citizen for each row
	when (new.display_name is not null and new.display_name is distinct from old.display_name) execute function citizen_name_stays_sealed();

create function partner_contact_stays_sealed() returns trigger
language plpgsql as $$
begin
	perform refuse('partner_contact_sealed', 'contacts of partners are stored sealed');
	return null;
end $$;
create trigger partner_contact_insert before insert on partner for each row when (new.contact is not null)
	execute function partner_contact_stays_sealed();
create trigger partner_contact_update before update of contact on partner for each row
	when (new.contact is not null and new.contact is distinct from old.contact) execute function partner_contact_stays_sealed();

-- The person's one key: the one that is there, or else the one given. Two first uses at the same moment get the same.
create function citizen_key(p_citizen uuid, p_new_wrapped_key bytea) returns bytea
language sql security definer set search_path = identity, pg_temp as $$
	update citizen set wrapped_key = coalesce(wrapped_key, p_new_wrapped_key) where id = p_citizen and state = 'ACTIVE' returning wrapped_key
$$;

-- What was sealed under a key that is not the person's any more is not stored: nobody could open it. Null then.
create or replace function citizen_phone_bind(p_citizen uuid, p_wrapped_key bytea, p_sealed bytea, p_index text, p_masked text) returns timestamptz
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update citizen set phone_sealed = p_sealed, phone_index = p_index, phone_masked = p_masked, phone_bound_at = now(), updated_at = now()
	where id = p_citizen and wrapped_key = p_wrapped_key;
	if not found then
		return null;
	end if;
	perform event_add('PHONE_BOUND', 'citizen', p_citizen, null, p_citizen, null, null);
	return now();
end $$;

drop function me_update(text, uuid, text, text);
create function me_update(p_kind text, p_subject uuid, p_staff_name text, p_wrapped_key bytea, p_citizen_name_sealed bytea, p_language text)
	returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	if p_kind = 'citizen' then
		update citizen set display_name_sealed = coalesce(p_citizen_name_sealed, display_name_sealed),
			display_name = case when p_citizen_name_sealed is null then display_name end,
			language = coalesce(p_language, language), updated_at = now()
		where id = p_subject and (p_citizen_name_sealed is null or wrapped_key = p_wrapped_key);
	else
		update staff set display_name = coalesce(p_staff_name, display_name), language = coalesce(p_language, language), updated_by = p_subject
		where id = p_subject;
	end if;
	return found;
end $$;

-- A partner of the caller's unit (or one below) with its scopes. Under a key of the client's, the answer is kept and given again:
-- o_claimed is false then, and o_same says whether the request was the same.
drop function partner_add(uuid, text, text, text, text, text[], uuid);
create function partner_add(p_id uuid, p_client_id text, p_name text, p_organization text, p_wrapped_key bytea, p_contact_sealed bytea,
	p_contact_masked text, p_scopes text[], p_actor uuid, p_key uuid, p_fingerprint uuid,
	out o_claimed boolean, out o_same boolean, out o_partner uuid, out o_answer json)
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	made partner;
	v_scopes text[];
begin
	o_claimed := true;
	o_same := true;
	o_partner := p_id;
	if p_key is not null then
		insert into idempotency (id, operation, fingerprint) values (p_key, 'partner_create', p_fingerprint) on conflict (id) do nothing;
		o_claimed := found;
	end if;
	if not o_claimed then
		select i.fingerprint = p_fingerprint, i.answer, (i.answer ->> 'id')::uuid into o_same, o_answer, o_partner from idempotency i where i.id = p_key;
		return;
	end if;
	if current_kind() <> 'staff' or not in_my_organization(p_organization) then
		raise insufficient_privilege;
	end if;
	insert into partner (id, client_id, name, organization, wrapped_key, contact_sealed, contact_masked, created_by)
	values (p_id, p_client_id, p_name, p_organization, p_wrapped_key, p_contact_sealed, p_contact_masked, p_actor) returning * into made;
	select array_agg(distinct x order by x) into v_scopes from unnest(p_scopes) x;
	insert into partner_scope (partner_id, scope) select p_id, x from unnest(v_scopes) x;
	o_answer := json_strip_nulls(json_build_object('id', made.id, 'client_id', made.client_id, 'name', made.name,
		'organization', made.organization, 'contact_masked', made.contact_masked, 'state', made.state, 'scopes', v_scopes,
		'created_at', to_char(made.created_at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+08:00"')));
	update idempotency i set answer = o_answer where i.id = p_key;
end $$;

-- The contact as sealed, for an administrator of the unit; that he asked is written down.
create function partner_contact(p_partner uuid, p_actor uuid) returns table (wrapped_key bytea, contact_sealed bytea)
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	return query select p.wrapped_key, p.contact_sealed from partner p
		where p.id = p_partner and p.contact_sealed is not null and current_kind() = 'staff' and in_my_organization(p.organization);
	if found then
		perform event_add('CONTACT_READ', 'partner', p_partner, null, p_actor, null, null);
	end if;
end $$;

-- What still stands in clear, a slice at a time, and how it is replaced: only where it is still the same text and the same key.
create function pii_clear_list() returns table (kind text, id uuid, wrapped_key bytea, clear text)
language sql stable security definer set search_path = identity, pg_temp as $$
	(select 'citizen', id, wrapped_key, display_name from citizen where display_name is not null order by id limit 500)
	union all
	(select 'partner', id, wrapped_key, contact from partner where contact is not null order by id limit 100)
$$;
create function pii_reseal(p_rows json) returns integer
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	v_citizens integer;
	v_partners integer;
begin
	-- a name that was sealed since is newer than the clear one
	update citizen c set wrapped_key = decode(r.wrapped_key, 'hex'), display_name = null,
		display_name_sealed = coalesce(c.display_name_sealed, decode(r.sealed, 'hex'))
	from json_to_recordset(p_rows) r (kind text, id uuid, wrapped_key text, sealed text, masked text, clear text)
	where r.kind = 'citizen' and c.id = r.id and c.display_name = r.clear and coalesce(c.wrapped_key = decode(r.wrapped_key, 'hex'), true);
	get diagnostics v_citizens = row_count;
	update partner p set wrapped_key = decode(r.wrapped_key, 'hex'), contact = null, contact_sealed = decode(r.sealed, 'hex'), contact_masked = r.masked
	from json_to_recordset(p_rows) r (kind text, id uuid, wrapped_key text, sealed text, masked text, clear text)
	where r.kind = 'partner' and p.id = r.id and p.contact = r.clear and coalesce(p.wrapped_key = decode(r.wrapped_key, 'hex'), true);
	get diagnostics v_partners = row_count;
	return v_citizens + v_partners;
end $$;

-- ── who may ──
grant select (display_name_sealed) on citizen to yg_identity;
revoke select on partner from yg_identity;
grant select (id, client_id, name, organization, wrapped_key, contact_sealed, contact_masked, state, created_at, created_by) on partner to yg_identity;
revoke execute on all functions in schema identity from public;
grant execute on function throttle_charge, login_charge, staff_sign_in, entry_code_add, device_prune, citizen_key, me_update, partner_add,
	partner_contact, pii_clear_list, pii_reseal to yg_identity;
