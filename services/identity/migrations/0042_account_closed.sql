-- 注销: a citizen closes his account (个人信息保护法 art. 47). What says who he was goes, from one transaction to the next: accounts at WeChat,
-- telephone, name, the key of it all. The row stays, bare, so that what others have under its number leads to nobody and is never given out
-- again; other services hear citizen.closed. Who signs in at WeChat afterwards is somebody new.
alter table citizen add column closed_at timestamptz;
alter table citizen drop constraint citizen_state_known;
alter table citizen add constraint citizen_state_known check (state in ('ACTIVE', 'BLOCKED', 'CLOSED'));
alter table citizen add constraint citizen_closed_bare check (case when state = 'CLOSED'
	then closed_at is not null and num_nonnulls(display_name, display_name_sealed, wrapped_key, phone_sealed) = 0 else closed_at is null end);
alter table session drop constraint session_revoke_reason_known;
alter table session add constraint session_revoke_reason_known check ((revoked_at is null) = (revoke_reason is null) and
	revoke_reason in ('LOGOUT', 'CLOSED_BY_OWNER', 'REFRESH_REUSED', 'REVOKED_TOKEN', 'DISABLED', 'GRANTS_CHANGED', 'PASSWORD_CHANGED', 'TOO_MANY', 'ACCOUNT_CLOSED'));

create function citizen_closed_stays() returns trigger
language plpgsql as $$
begin
	perform refuse('citizen_closed', 'the account is closed');
	return null;
end $$;
create trigger citizen_closed_stays before update or delete on citizen for each row when (old.state = 'CLOSED') execute function citizen_closed_stays();

-- A first login in another app of the same person, while he closes his account: once more, from the beginning.
create function citizen_account_open() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	perform from citizen where id = new.citizen_id and state <> 'CLOSED' for share;
	if not found then
		raise exception using errcode = 'serialization_failure', message = 'the account was closed meanwhile';
	end if;
	return new;
end $$;
create trigger citizen_account_open before insert on citizen_account for each row execute function citizen_account_open();

-- By himself, with a login of the last ten minutes: who finds an unlocked telephone has none. The problem's name, or null.
create function citizen_close(p_session uuid) returns text
language plpgsql security definer set search_path from current as $$
declare
	v_id uuid := current_subject();
begin
	perform from citizen_account where citizen_id = v_id order by provider, appid, openid_index for update; -- a login takes them before the person, too
	perform from citizen where id = v_id and current_kind() = 'citizen' and state = 'ACTIVE' for update;
	if not found then
		return case when exists (select from citizen where id = v_id and state = 'BLOCKED') then 'user-blocked' else 'unauthenticated' end;
	end if;
	if not exists (select from session where id = p_session and subject = v_id and revoked_at is null and created_at > now() - interval '10 minutes') then
		return 'login-not-recent';
	end if;
	delete from citizen_account where citizen_id = v_id;
	perform sessions_revoke_all(v_id, 'ACCOUNT_CLOSED', v_id); -- after the accounts: a login that was under way is there now
	update session set device = null, network = null where subject = v_id;
	update citizen set state = 'CLOSED', closed_at = now(), display_name = null, display_name_sealed = null, wrapped_key = null,
		phone_sealed = null, phone_index = null, phone_masked = null, phone_bound_at = null where id = v_id;
	perform event_add('ACCOUNT_CLOSED', 'citizen', v_id, p_session, v_id, null, null);
	insert into outbox (type, subject, payload) values ('citizen.closed', v_id, json_build_object('citizen_id', v_id));
	return null;
end $$;

-- As before (0007); who closed his account a moment ago has none to change.
create or replace function me_update(p_kind text, p_subject uuid, p_staff_name text, p_wrapped_key bytea, p_citizen_name_sealed bytea, p_language text)
	returns boolean
language plpgsql security definer set search_path from current as $$
begin
	if p_kind = 'citizen' then
		update citizen set display_name_sealed = coalesce(p_citizen_name_sealed, display_name_sealed),
			display_name = case when p_citizen_name_sealed is null then display_name end,
			language = coalesce(p_language, language), updated_at = now()
		where id = p_subject and state <> 'CLOSED' and (p_citizen_name_sealed is null or wrapped_key = p_wrapped_key);
	else
		update staff set display_name = coalesce(p_staff_name, display_name), language = coalesce(p_language, language), updated_by = p_subject
		where id = p_subject;
	end if;
	return found;
end $$;

-- What others forget somebody for is told by the function above alone.
revoke insert (type, subject, payload) on outbox from yg_identity;

revoke execute on function citizen_closed_stays, citizen_account_open, citizen_close from public;
grant execute on function citizen_close to yg_identity;
