-- What happens before anyone is known (logins, refreshing, tokens of partners) and what must be done as a whole. These run as the
-- owner; the login role has no other way to the tables behind them.

-- ── the log ──
create function event_add(p_event text, p_kind text, p_subject uuid, p_session uuid, p_actor uuid, p_network text, p_detail text) returns void
language sql security definer set search_path = identity, pg_temp as $$
	insert into auth_event (event, kind, subject, session, actor, network, detail)
	values (p_event, p_kind, p_subject, p_session, p_actor, p_network, p_detail)
$$;

create function signing_key_event() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform event_add('SIGNING_KEY_ADDED', 'system', null, null, null, null, new.kid);
	return null;
end $$;
create trigger signing_key_event after insert on signing_key for each row execute function signing_key_event();

create function partner_key_event() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		perform event_add('PARTNER_KEY_ADDED', 'partner', new.partner_id, new.id, new.created_by, null, new.kind);
	elsif old.revoked_at is null and new.revoked_at is not null then
		perform event_add('PARTNER_KEY_REVOKED', 'partner', new.partner_id, new.id, new.revoked_by, null, new.kind);
		perform revocation_add(new.id);
	end if;
	return null;
end $$;
create trigger partner_key_event after insert or update on partner_key for each row execute function partner_key_event();

-- ── revocation ──
create function revocation_add(p_session uuid) returns void
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform pg_advisory_xact_lock(hashtextextended('identity.revocation', 0));
	insert into revocation (session, expires_at) values (p_session, now() + interval '16 minutes'); -- 15 of the token and skew
end $$;

-- False when there is no such live session (of that subject, when one is given).
create function session_revoke(p_session uuid, p_subject uuid, p_reason text, p_actor uuid) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	s session;
begin
	update session set revoked_at = now(), revoke_reason = p_reason
	where id = p_session and revoked_at is null and expires_at > now() and (p_subject is null or subject = p_subject)
	returning * into s;
	if not found then
		return false;
	end if;
	perform revocation_add(s.id);
	perform event_add('SESSION_REVOKED', s.kind, s.subject, s.id, p_actor, null, p_reason);
	return true;
end $$;

create function sessions_revoke_all(p_subject uuid, p_reason text, p_actor uuid) returns integer
language sql security definer set search_path = identity, pg_temp as $$
	select count(*) filter (where session_revoke(s.id, s.subject, p_reason, p_actor))::integer
	from (select id, subject from session where subject = p_subject and revoked_at is null and expires_at > now() order by id) s
$$;

create function staff_event() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	changed text;
begin
	if tg_op = 'INSERT' then
		perform event_add('STAFF_ADDED', 'staff', new.id, null, new.created_by, null, new.organization);
		return null;
	end if;
	changed := concat_ws(' ', case when new.state <> old.state then lower(new.state) end,
		case when new.organization <> old.organization then 'organization' end,
		case when new.password_sealed <> old.password_sealed then 'password' end,
		case when new.totp_state <> old.totp_state then 'totp ' || lower(new.totp_state) end);
	if changed <> '' then
		perform event_add('STAFF_CHANGED', 'staff', new.id, null, new.updated_by, null, changed);
	end if;
	if new.state <> old.state and new.state = 'DISABLED' then
		perform sessions_revoke_all(new.id, 'DISABLED', new.updated_by);
	elsif new.password_sealed <> old.password_sealed then
		perform sessions_revoke_all(new.id, 'PASSWORD_CHANGED', new.updated_by);
	end if;
	return null;
end $$;
create trigger staff_event after insert or update on staff for each row execute function staff_event();

-- Taking a role away ends the sessions that may hold it; giving one is seen at the next refresh.
create function staff_grant_event() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		perform event_add('GRANT_ADDED', 'staff', new.staff_id, null, new.granted_by, null, new.role || ' at ' || new.organization);
	elsif old.revoked_at is null and new.revoked_at is not null then
		perform event_add('GRANT_REVOKED', 'staff', new.staff_id, null, new.revoked_by, null, new.role || ' at ' || new.organization);
		perform sessions_revoke_all(new.staff_id, 'GRANTS_CHANGED', new.revoked_by);
	end if;
	return null;
end $$;
create trigger staff_grant_event after insert or update on staff_grant for each row execute function staff_grant_event();

-- ── signing keys ──
-- Adds the key unless one younger than 30 days is there (another process was faster). The first signs at once; a later one is
-- published ten minutes before it does.
create function signing_key_add(p_kid text, p_alg text, p_private_sealed bytea, p_public_jwk json) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform pg_advisory_xact_lock(hashtextextended('identity.signing_key', 0));
	if exists (select from signing_key where signs_from > now() - interval '30 days') then
		return false;
	end if;
	insert into signing_key (kid, alg, private_sealed, public_jwk, signs_from)
	select p_kid, p_alg, p_private_sealed, p_public_jwk,
	       case when exists (select from signing_key) then now() + interval '10 minutes' else now() end;
	return true;
end $$;

-- Keys that tokens may still be signed with: the one that signs, a coming one, and those that stopped less than a day ago.
create view signing_key_live as
	select kid, alg, private_sealed, public_jwk, signs_from,
	       signs_from <= now() and (next_from is null or next_from > now()) as is_current
	from (select *, lead(signs_from) over (order by signs_from) as next_from from signing_key) k
	where next_from is null or next_from > now() - interval '1 day';

-- ── sessions ──
create function refresh_lifetime(p_kind text) returns interval
language sql immutable as $$ select case p_kind when 'staff' then interval '12 hours' else interval '30 days' end $$;

create function session_open(p_id uuid, p_kind text, p_subject uuid, p_client text, p_organization text, p_sha256 bytea, p_network text,
	p_device text) returns void
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	v_expires timestamptz := now() + refresh_lifetime(p_kind);
begin
	insert into session (id, kind, subject, client, organization, device, network, expires_at, ends_at)
	values (p_id, p_kind, p_subject, p_client, p_organization, left(p_device, 200), p_network, v_expires,
	        now() + case p_kind when 'staff' then interval '7 days' else interval '1 year' end);
	insert into refresh_token (sha256, session_id, expires_at) values (p_sha256, p_id, v_expires);
	perform event_add('LOGIN', p_kind, p_subject, p_id, null, p_network, p_client);
	-- at most 200 sessions each; the oldest go
	perform session_revoke(s.id, p_subject, 'TOO_MANY', null)
	from (select id from session where subject = p_subject and revoked_at is null and expires_at > now() order by created_at desc offset 200) s;
end $$;

-- A citizen who was checked by WeChat: found, or made. Blocked ones get no session.
create function citizen_sign_in(p_provider text, p_appid text, p_openid_index text, p_new_id uuid, p_wrapped_key bytea, p_openid_sealed bytea,
	p_unionid_index text, p_unionid_sealed bytea, p_session_key_sealed bytea, p_session uuid, p_sha256 bytea, p_client text, p_network text,
	p_device text, out o_citizen uuid, out o_state text, out o_created boolean, out o_scopes text)
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update citizen_account set session_key_sealed = p_session_key_sealed, last_login_at = now()
	where provider = p_provider and appid = p_appid and openid_index = p_openid_index returning citizen_id into o_citizen;
	o_created := not found;
	if o_created then
		-- two first logins at the same moment: the second waits here and finds the account
		perform pg_advisory_xact_lock(hashtextextended(p_provider || p_appid || p_openid_index, 1));
		select citizen_id into o_citizen from citizen_account
		where provider = p_provider and appid = p_appid and openid_index = p_openid_index;
		if found then
			o_created := false;
		else
			select citizen_id into o_citizen from citizen_account where provider = p_provider and unionid_index = p_unionid_index limit 1;
			if not found then
				insert into citizen (id) values (p_new_id);
				o_citizen := p_new_id;
			end if;
			insert into citizen_account (provider, appid, openid_index, citizen_id, wrapped_key, openid_sealed, unionid_index, unionid_sealed,
				session_key_sealed)
			values (p_provider, p_appid, p_openid_index, o_citizen, p_wrapped_key, p_openid_sealed, p_unionid_index, p_unionid_sealed,
				p_session_key_sealed);
		end if;
	end if;
	select state into o_state from citizen where id = o_citizen;
	select coalesce(string_agg(scope, ' ' order by scope), '') into o_scopes from role_scope where role = 'citizen';
	if o_state = 'ACTIVE' then
		perform session_open(p_session, 'citizen', o_citizen, p_client, null, p_sha256, p_network, p_device);
	else
		perform event_add('LOGIN_REFUSED', 'citizen', o_citizen, null, null, p_network, 'blocked');
	end if;
end $$;

-- For paying: the person's openid in one app, as sealed.
create function citizen_openid_find(p_citizen uuid, p_appid text) returns table (wrapped_key bytea, openid_sealed bytea)
language sql stable security definer set search_path = identity, pg_temp as $$
	select a.wrapped_key, a.openid_sealed from citizen_account a join citizen c on c.id = a.citizen_id
	where a.citizen_id = p_citizen and a.provider = 'wechat' and a.appid = p_appid and c.state = 'ACTIVE'
	order by a.last_login_at desc
	limit 1
$$;

-- ── staff login ──
create function schedule_at(p_schedule integer[], p_failures integer) returns interval
language sql immutable as $$
	select make_interval(secs => p_schedule[least(greatest(p_failures, 0), cardinality(p_schedule) - 1) + 1])
$$;

-- Charges an attempt before its password is looked at, so that attempts made at the same moment count too. Gives the seconds to wait
-- (0: go on) and whether all three buckets were charged. A blocked attempt is not charged. From a network the person has used, only (username, network) counts: the other two
-- are what strangers can fill. The schedules (seconds to wait after the nth failure) are rules.c's.
create function throttle_charge(p_username text, p_pair text, p_user text, p_network text, p_pair_schedule integer[],
	p_user_schedule integer[], p_network_schedule integer[], out o_wait_s integer, out o_all boolean)
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	v_known boolean := exists (select from known_network k join staff s on s.id = k.staff_id
		where s.username = p_username and k.network = p_network and k.last_ok_at > now() - interval '90 days');
	v_wait interval := interval '0';
	t throttle;
	b record;
begin
	-- always in this order, so that two attempts cannot wait for each other
	for b in select * from (values (1, p_pair), (2, p_user), (3, p_network)) v (nth, bucket) where nth = 1 or not v_known order by nth loop
		insert into throttle (bucket) values (b.bucket) on conflict do nothing;
		select * into t from throttle where bucket = b.bucket for update;
		v_wait := greatest(v_wait, t.blocked_until - now());
	end loop;
	o_all := not v_known;
	o_wait_s := ceil(extract(epoch from greatest(v_wait, interval '0')))::integer;
	if o_wait_s > 0 then
		return;
	end if;
	update throttle k
	set failures = f.n, last_at = now(), blocked_until = now() + schedule_at(f.schedule, f.n)
	from (select t1.bucket, v.schedule,
	             case when t1.last_at < now() - interval '1 day' then 1 else least(t1.failures + 1, 1000000) end as n
	      from (values (1, p_pair, p_pair_schedule), (2, p_user, p_user_schedule), (3, p_network, p_network_schedule)) v (nth, bucket, schedule)
	      join throttle t1 on t1.bucket = v.bucket
	      where v.nth = 1 or not v_known) f
	where k.bucket = f.bucket;
end $$;

create function staff_find(p_username text) returns table (id uuid, state text, password_sealed bytea, totp_state text, totp_sealed bytea,
	totp_last_step bigint, organization text, scopes text)
language sql stable security definer set search_path = identity, pg_temp as $$
	select s.id, s.state, s.password_sealed, s.totp_state, s.totp_sealed, s.totp_last_step, g.organization,
	       (select coalesce(string_agg(rs.scope, ' ' order by rs.scope), '') from role_scope rs where rs.role = g.role)
	from staff s
	left join staff_grant g on g.staff_id = s.id and g.revoked_at is null
	where s.username = p_username
	order by g.granted_at, g.id
	limit 200
$$;

-- The last word: takes the attempt's charge back, uses the time step up, opens the session. False: the code was used before, or the
-- account was disabled in between.
create function staff_sign_in(p_staff uuid, p_totp_step bigint, p_session uuid, p_organization text, p_sha256 bytea, p_network_shown text,
	p_device text, p_all boolean, p_pair text, p_user text, p_network text) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update staff set totp_last_step = coalesce(p_totp_step, totp_last_step)
	where id = p_staff and state = 'ACTIVE' and (p_totp_step is null and totp_state <> 'CONFIRMED' or p_totp_step > totp_last_step);
	if not found then
		return false;
	end if;
	delete from throttle where bucket = p_pair;
	if p_all then -- one's own success takes back one's own charge, never a stranger's
		update throttle set failures = greatest(failures - 1, 0), blocked_until = null where bucket = p_user;
		update throttle set failures = greatest(failures - 1, 0), blocked_until = null where bucket = p_network;
	end if;
	insert into known_network (staff_id, network) values (p_staff, p_network)
	on conflict (staff_id, network) do update set last_ok_at = now();
	perform session_open(p_session, 'staff', p_staff, 'staff-console', p_organization, p_sha256, p_network_shown, p_device);
	return true;
end $$;

-- ── refreshing ──
-- Who stands behind a refresh token, with the grants of today (a row each; citizens have one).
create function refresh_find(p_sha256 bytea) returns table (session uuid, kind text, subject uuid, client text, wanted text, usable boolean,
	organization text, scopes text)
language sql stable security definer set search_path = identity, pg_temp as $$
	select s.id, s.kind, s.subject, s.client, s.organization,
	       s.revoked_at is null and s.ends_at > now() and t.expires_at > now() and coalesce(c.state, f.state) = 'ACTIVE',
	       g.organization,
	       (select coalesce(string_agg(rs.scope, ' ' order by rs.scope), '') from role_scope rs
	        where rs.role = case s.kind when 'citizen' then 'citizen' else g.role end)
	from refresh_token t
	join session s on s.id = t.session_id
	left join citizen c on s.kind = 'citizen' and c.id = s.subject
	left join staff f on s.kind = 'staff' and f.id = s.subject
	left join staff_grant g on g.staff_id = f.id and g.revoked_at is null
	where t.sha256 = p_sha256
	order by g.granted_at, g.id
	limit 200
$$;

-- Uses the token up. ROTATED: the new one is live. REPEATED: used less than a minute ago, and its successor was not used yet, so
-- the caller most likely never heard the answer: the same successor again. REUSED: somebody else has it; the session is closed.
create function refresh_rotate(p_sha256 bytea, p_new_sha256 bytea, p_new_sealed bytea, p_network text, out o_result text, out o_successor bytea)
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	t refresh_token;
	s session;
begin
	select x.* into s from session x join refresh_token y on y.session_id = x.id where y.sha256 = p_sha256 for update of x;
	select * into t from refresh_token where sha256 = p_sha256;
	if s.id is null or t.sha256 is null or s.revoked_at is not null or s.ends_at <= now() or t.expires_at <= now() then
		o_result := 'INVALID';
	elsif t.used_at is null then
		-- what the one before could repeat, nobody needs any more
		update refresh_token set successor_sealed = null where session_id = s.id and successor_sealed is not null;
		update refresh_token set used_at = now(), successor_sha256 = p_new_sha256, successor_sealed = p_new_sealed where sha256 = p_sha256;
		insert into refresh_token (sha256, session_id, expires_at)
		values (p_new_sha256, s.id, least(now() + refresh_lifetime(s.kind), s.ends_at));
		update session set last_used_at = now(), expires_at = least(now() + refresh_lifetime(s.kind), s.ends_at), network = coalesce(p_network, network)
		where id = s.id;
		o_result := 'ROTATED';
	elsif t.used_at > now() - interval '60 seconds' and t.successor_sealed is not null
		and exists (select from refresh_token where sha256 = t.successor_sha256 and used_at is null) then
		o_successor := t.successor_sealed;
		o_result := 'REPEATED';
	else
		perform event_add('REFRESH_REUSED', s.kind, s.subject, s.id, null, p_network, null);
		perform session_revoke(s.id, s.subject, 'REFRESH_REUSED', null);
		o_result := 'REUSED';
	end if;
end $$;

-- RFC 7009: whoever holds a refresh token may end its session.
create function refresh_revoke(p_sha256 bytea) returns void
language sql security definer set search_path = identity, pg_temp as $$
	select session_revoke(session_id, null, 'REVOKED_TOKEN', null) from refresh_token where sha256 = p_sha256
$$;

-- Is the session (or partner key) behind a token still good?
create function session_is_live(p_session uuid) returns boolean
language sql stable security definer set search_path = identity, pg_temp as $$
	select exists (select from session where id = p_session and revoked_at is null and expires_at > now())
	    or exists (select from partner_key k join partner p on p.id = k.partner_id
	               where k.id = p_session and k.revoked_at is null and k.expires_at > now() and p.state = 'ACTIVE')
$$;

-- ── partners ──
-- The client and its live secrets, a row each.
create function partner_find(p_client_id text) returns table (id uuid, organization text, scopes text, key_id uuid, secret_sha256 text)
language sql stable security definer set search_path = identity, pg_temp as $$
	select p.id, p.organization, (select coalesce(string_agg(s.scope, ' ' order by s.scope), '') from partner_scope s where s.partner_id = p.id),
	       k.id, encode(k.secret_sha256, 'hex')
	from partner p
	join partner_key k on k.partner_id = p.id
	where p.client_id = p_client_id and p.state = 'ACTIVE' and k.kind = 'client_secret' and k.revoked_at is null and k.expires_at > now()
$$;

create function api_key_find(p_sha256 bytea) returns table (subject uuid, organization text, scopes text, client_id text, key_id uuid,
	expires_at timestamptz)
language sql stable security definer set search_path = identity, pg_temp as $$
	select p.id, p.organization, (select coalesce(string_agg(s.scope, ' ' order by s.scope), '') from partner_scope s where s.partner_id = p.id),
	       p.client_id, k.id, k.expires_at
	from partner_key k
	join partner p on p.id = k.partner_id
	where k.secret_sha256 = p_sha256 and k.kind = 'api_key' and k.revoked_at is null and k.expires_at > now() and p.state = 'ACTIVE'
$$;

-- A partner of the caller's unit (or one below) with its scopes.
create function partner_add(p_id uuid, p_client_id text, p_name text, p_organization text, p_contact text, p_scopes text[], p_actor uuid)
	returns partner
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	made partner;
begin
	if current_kind() <> 'staff' or not in_my_organization(p_organization) then
		raise insufficient_privilege;
	end if;
	insert into partner (id, client_id, name, organization, contact, created_by)
	values (p_id, p_client_id, p_name, p_organization, p_contact, p_actor) returning * into made;
	insert into partner_scope (partner_id, scope) select distinct p_id, x from unnest(p_scopes) x;
	return made;
end $$;

-- ── one's own account ──
create function me_update(p_kind text, p_subject uuid, p_display_name text, p_language text) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	if p_kind = 'citizen' then
		update citizen set display_name = coalesce(p_display_name, display_name), language = coalesce(p_language, language), updated_at = now()
		where id = p_subject;
	else
		update staff set display_name = coalesce(p_display_name, display_name), language = coalesce(p_language, language), updated_by = p_subject
		where id = p_subject;
	end if;
	return found;
end $$;

create function staff_password(p_staff uuid) returns bytea
language sql stable security definer set search_path = identity, pg_temp as $$
	select password_sealed from staff where id = p_staff and state = 'ACTIVE'
$$;

-- Replaces the password that was checked; false when it was replaced meanwhile. The trigger ends all sessions.
create function staff_password_change(p_staff uuid, p_was bytea, p_sealed bytea, p_bucket text) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update staff set password_sealed = p_sealed, updated_by = p_staff where id = p_staff and password_sealed = p_was;
	if found then
		delete from throttle where bucket = p_bucket;
		return true;
	end if;
	return false;
end $$;

create function citizen_phone_bind(p_citizen uuid, p_wrapped_key bytea, p_sealed bytea, p_index text, p_masked text) returns timestamptz
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update citizen set wrapped_key = p_wrapped_key, phone_sealed = p_sealed, phone_index = p_index, phone_masked = p_masked,
		phone_bound_at = now(), updated_at = now()
	where id = p_citizen;
	perform event_add('PHONE_BOUND', 'citizen', p_citizen, null, p_citizen, null, null);
	return now();
end $$;

-- A new, unconfirmed secret; refused when a confirmed one is there (an administrator resets it first).
create function totp_enrol(p_staff uuid, p_sealed bytea) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update staff set totp_state = 'PENDING', totp_sealed = p_sealed, totp_last_step = 0, updated_by = p_staff
	where id = p_staff and totp_state <> 'CONFIRMED';
	return found;
end $$;

create function totp_pending(p_staff uuid) returns bytea
language sql stable security definer set search_path = identity, pg_temp as $$
	select totp_sealed from staff where id = p_staff and totp_state = 'PENDING'
$$;

create function totp_confirm(p_staff uuid, p_sealed bytea, p_step bigint) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update staff set totp_state = 'CONFIRMED', totp_last_step = p_step, updated_by = p_staff
	where id = p_staff and totp_state = 'PENDING' and totp_sealed = p_sealed;
	return found;
end $$;

-- ── the first administrator ──
create function staff_bootstrap(p_id uuid, p_grant uuid, p_username text, p_password_sealed bytea) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform pg_advisory_xact_lock(hashtextextended('identity.bootstrap', 0));
	if exists (select from staff) then
		return false;
	end if;
	insert into staff (id, username, display_name, organization, password_sealed) values (p_id, p_username, '管理员', '4412', p_password_sealed);
	insert into staff_grant (id, staff_id, role, organization) values (p_grant, p_id, 'admin', '4412');
	return true;
end $$;

-- ── housekeeping ──
-- Drops what nothing can refer to any more. The log stays.
create function identity_prune() returns integer
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	v_total integer := 0;
	v_rows integer;
begin
	delete from revocation where seq in (select seq from revocation where expires_at < now() - interval '1 hour' order by expires_at limit 5000);
	get diagnostics v_rows = row_count;
	v_total := v_total + v_rows;
	delete from refresh_token where sha256 in (select sha256 from refresh_token where expires_at < now() - interval '1 day' order by expires_at limit 5000);
	get diagnostics v_rows = row_count;
	v_total := v_total + v_rows;
	update refresh_token set successor_sealed = null where successor_sealed is not null and used_at < now() - interval '60 seconds'
		and sha256 in (select sha256 from refresh_token where successor_sealed is not null and used_at < now() - interval '60 seconds' limit 5000);
	delete from session where id in (select id from session where expires_at < now() - interval '30 days' order by expires_at limit 5000);
	get diagnostics v_rows = row_count;
	v_total := v_total + v_rows;
	delete from throttle where bucket in (select bucket from throttle where last_at < now() - interval '1 day'
		and coalesce(blocked_until, now()) <= now() order by last_at limit 5000);
	get diagnostics v_rows = row_count;
	v_total := v_total + v_rows;
	delete from known_network where last_ok_at < now() - interval '90 days';
	return v_total;
end $$;
create index refresh_token_successor_open on refresh_token (used_at) where successor_sealed is not null;
