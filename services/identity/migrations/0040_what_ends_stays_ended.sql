-- What is ended stays ended: a session cannot be opened with a password or grants that were taken away while the login was under way, what
-- is revoked is never given back, blocking a citizen or a partner ends what is open, somebody who may unlock is always left, and ending
-- sessions waits for nobody in a circle.

-- ── ending sessions ──
-- Order of locks, everywhere: a person's row, his sessions by id, the lock of the revocations. Whoever ends many takes all rows first:
-- one that was revoked held the last lock while the next was waited for, and a logout at that moment waited the other way round.
create or replace function sessions_revoke_all(p_subject uuid, p_reason text, p_actor uuid) returns integer
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	v_count integer;
begin
	perform 1 from session where subject = p_subject and revoked_at is null and expires_at > now() order by id for update;
	select count(*) filter (where session_revoke(s.id, s.subject, p_reason, p_actor)) into v_count
	from (select id, subject from session where subject = p_subject and revoked_at is null and expires_at > now() order by id) s;
	return v_count;
end $$;

-- ── signing in ──
-- Between finding an account and opening its session lies the hashing of a password. What was found is said again at the end: the
-- password that was compared, and how many grants had been revoked. Both are looked at under the lock of the account's row, which
-- changing the password and revoking a grant take too, so that either the login sees the change or the change sees the session.
drop function staff_find(text);
create function staff_find(p_username text) returns table (id uuid, state text, password_sealed bytea, totp_state text, totp_sealed bytea,
	totp_last_step bigint, grants_revoked bigint, organization text, scopes text)
language sql stable security definer set search_path = identity, pg_temp as $$
	select s.id, s.state, s.password_sealed, s.totp_state, s.totp_sealed, s.totp_last_step,
	       (select count(*) from staff_grant r where r.staff_id = s.id and r.revoked_at is not null), g.organization,
	       (select coalesce(string_agg(rs.scope, ' ' order by rs.scope), '') from role_scope rs where rs.role = g.role)
	from staff s
	left join staff_grant g on g.staff_id = s.id and g.revoked_at is null
	where s.username = p_username
	order by g.granted_at, g.id
	limit 200
$$;

-- What was the last word until now (0007) is so for an account that is still as it was found.
alter function staff_sign_in(uuid, bigint, uuid, text, bytea, text, text, text, bytea, bytea, text, text, text, text, text) rename to staff_session_open;
revoke execute on function staff_session_open from yg_identity;

-- False: the code was used before, or the account was disabled, its password changed or a grant revoked in between.
create function staff_sign_in(p_staff uuid, p_password_was bytea, p_grants_revoked bigint, p_totp_step bigint, p_session uuid,
	p_organization text, p_sha256 bytea, p_network_shown text, p_client_device text, p_lane text, p_device bytea, p_new_device bytea,
	p_proof text, p_pair text, p_wide text, p_user text, p_network text, out o_opened boolean, out o_device_added boolean)
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	v_same boolean;
begin
	perform from staff where id = p_staff and password_sealed = p_password_was for no key update;
	v_same := found;
	if v_same then -- a statement of its own: it sees what was committed while the one before waited
		select count(*) = p_grants_revoked into v_same from staff_grant where staff_id = p_staff and revoked_at is not null;
	end if;
	if v_same then
		select * into o_opened, o_device_added from staff_session_open(p_staff, p_totp_step, p_session, p_organization, p_sha256, p_network_shown,
			p_client_device, p_lane, p_device, p_new_device, p_proof, p_pair, p_wide, p_user, p_network);
	end if;
	if o_opened is not true then
		perform event_add('LOGIN_REFUSED', 'staff', p_staff, null, null, p_network_shown, case when v_same then 'totp or state' else 'changed meanwhile' end);
		o_opened := false;
		o_device_added := false;
	end if;
end $$;

create function staff_grant_revoking() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform 1 from staff where id = new.staff_id for no key update;
	return new;
end $$;
create trigger staff_grant_revoking before update of revoked_at on staff_grant for each row
	when (new.revoked_at is not null and old.revoked_at is null) execute function staff_grant_revoking();

-- ── somebody is left ──
-- Two administrators who disable each other at the same moment, and one who gives his own role up, left nobody who could undo it. The
-- lock makes the second wait; the question that follows sees what the first did.
create function grant_is_topmost(g staff_grant) returns boolean
language sql stable security definer set search_path = identity, pg_temp as $$
	select exists (select from organization o join role_scope r on r.role = g.role and r.scope = 'staff:manage'
		where o.path = g.organization and o.parent is null)
$$;
create function administrator_must_be_left() returns void
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform pg_advisory_xact_lock(hashtextextended('identity.administrator', 0));
	if not exists (select from staff s join staff_grant g on g.staff_id = s.id and g.revoked_at is null
		where s.state = 'ACTIVE' and grant_is_topmost(g)) then
		perform refuse('staff_last_administrator', 'somebody who may give roles at the topmost unit must be left');
	end if;
end $$;

create function staff_administrator_left() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	if exists (select from staff_grant g where g.staff_id = new.id and g.revoked_at is null and grant_is_topmost(g)) then
		perform administrator_must_be_left();
	end if;
	return null;
end $$;
create trigger staff_administrator_left after update of state on staff for each row
	when (new.state <> 'ACTIVE' and old.state = 'ACTIVE') execute function staff_administrator_left();

create function staff_grant_administrator_left() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	if grant_is_topmost(new) then
		perform administrator_must_be_left();
	end if;
	return null;
end $$;
create trigger staff_grant_administrator_left after update of revoked_at on staff_grant for each row
	when (new.revoked_at is not null and old.revoked_at is null) execute function staff_grant_administrator_left();

-- ── what is revoked stays revoked ──
create function revocation_stays() returns trigger
language plpgsql as $$
begin
	if old.revoked_at is null then
		new.revoked_at := case when new.revoked_at is not null then now() end;
	elsif (new.revoked_at, new.revoked_by) is distinct from (old.revoked_at, old.revoked_by) then
		perform refuse('revocation_final', format('%s: what is revoked is not given back', tg_table_name));
	end if;
	return new;
end $$;
create trigger revocation_stays before update on staff_grant for each row execute function revocation_stays();
create trigger revocation_stays before update on partner_key for each row execute function revocation_stays();
create trigger revocation_stays before update on partner_signing_key for each row execute function revocation_stays();
create trigger revocation_stays before update on partner_certificate for each row execute function revocation_stays();

-- "Nobody gives himself a role" and "nobody disables himself" compare with who is said to do it: that is the caller, nobody else.
alter policy staff_unit_insert on staff with check (current_kind() = 'staff' and in_my_organization(organization)
	and created_by = current_subject());
alter policy staff_unit_update on staff with check (current_kind() = 'staff' and in_my_organization(organization)
	and not staff_outranks(id) and updated_by = current_subject());
alter policy staff_grant_insert on staff_grant with check (current_kind() = 'staff' and in_my_organization(organization)
	and granted_by = current_subject() and exists (select from staff s where s.id = staff_id and in_my_organization(s.organization)));
alter policy staff_grant_update on staff_grant with check (current_kind() = 'staff' and in_my_organization(organization)
	and revoked_by = current_subject());
alter policy partner_key_insert on partner_key with check (current_kind() = 'staff' and created_by = current_subject()
	and exists (select from partner p where p.id = partner_id));
alter policy partner_key_update on partner_key with check (current_kind() = 'staff' and revoked_by = current_subject()
	and exists (select from partner p where p.id = partner_id));
alter policy partner_signing_key_insert on partner_signing_key with check (current_kind() = 'staff' and created_by = current_subject()
	and exists (select from partner p where p.id = partner_id));
alter policy partner_signing_key_update on partner_signing_key with check (current_kind() = 'staff' and revoked_by = current_subject()
	and exists (select from partner p where p.id = partner_id));
alter policy partner_certificate_insert on partner_certificate with check (current_kind() = 'staff' and created_by = current_subject()
	and exists (select from partner p where p.id = partner_id));
alter policy partner_certificate_update on partner_certificate with check (current_kind() = 'staff' and revoked_by = current_subject()
	and exists (select from partner p where p.id = partner_id));

-- ── blocked and disabled ──
-- As for staff: what is open ends within seconds. Keys of a partner stay; they work again some minutes after it is ACTIVE again.
create function citizen_blocked() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform sessions_revoke_all(new.id, 'DISABLED', null);
	return null;
end $$;
create trigger citizen_blocked after update of state on citizen for each row
	when (new.state = 'BLOCKED' and old.state <> 'BLOCKED') execute function citizen_blocked();

create function partner_disabled() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform revocation_add(k.id) from (select id from partner_key where partner_id = new.id and revoked_at is null and expires_at > now()
		union all select id from partner_signing_key where partner_id = new.id and revoked_at is null and not_after > now()) k;
	return null;
end $$;
create trigger partner_disabled after update of state on partner for each row
	when (new.state = 'DISABLED' and old.state <> 'DISABLED') execute function partner_disabled();

-- A citizen who was checked by WeChat: found, or made. Blocked ones get no session; who is blocked at this moment is waited for. An
-- account from before its app had unionids learns its own when WeChat first says it.
create or replace function citizen_sign_in(p_provider text, p_appid text, p_openid_index text, p_new_id uuid, p_wrapped_key bytea, p_openid_sealed bytea,
	p_unionid_index text, p_unionid_sealed bytea, p_session_key_sealed bytea, p_session uuid, p_sha256 bytea, p_client text, p_network text,
	p_device text, out o_citizen uuid, out o_state text, out o_created boolean, out o_scopes text)
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	v_learn boolean; -- openid and unionid lie under one key, so both are written again
begin
	select a.unionid_index is null and p_unionid_index is not null into v_learn from citizen_account a
	where a.provider = p_provider and a.appid = p_appid and a.openid_index = p_openid_index;
	update citizen_account a set session_key_sealed = p_session_key_sealed, last_login_at = now(),
		wrapped_key = case when v_learn then p_wrapped_key else a.wrapped_key end,
		openid_sealed = case when v_learn then p_openid_sealed else a.openid_sealed end,
		unionid_index = case when v_learn then p_unionid_index else a.unionid_index end,
		unionid_sealed = case when v_learn then p_unionid_sealed else a.unionid_sealed end
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
	select state into o_state from citizen where id = o_citizen for share;
	select coalesce(string_agg(scope, ' ' order by scope), '') into o_scopes from role_scope where role = 'citizen';
	if o_state = 'ACTIVE' then
		perform session_open(p_session, 'citizen', o_citizen, p_client, null, p_sha256, p_network, p_device);
	else
		perform event_add('LOGIN_REFUSED', 'citizen', o_citizen, null, null, p_network, 'blocked');
	end if;
end $$;

revoke execute on function staff_find, staff_sign_in, staff_grant_revoking, grant_is_topmost, administrator_must_be_left, staff_administrator_left,
	staff_grant_administrator_left, revocation_stays, citizen_blocked, partner_disabled from public;
grant execute on function staff_find, staff_sign_in to yg_identity;
