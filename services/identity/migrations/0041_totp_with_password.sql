-- A device for one-time codes is confirmed with the password at hand: its attempts are charged like those at changing it, and a success
-- takes them back.
drop function totp_confirm(uuid, bytea, bigint);
create function totp_confirm(p_staff uuid, p_sealed bytea, p_step bigint, p_bucket text) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	update staff set totp_state = 'CONFIRMED', totp_last_step = p_step, updated_by = p_staff
	where id = p_staff and totp_state = 'PENDING' and totp_sealed = p_sealed;
	if found then
		delete from throttle where bucket = p_bucket;
		return true;
	end if;
	return false;
end $$;
revoke execute on function totp_confirm from public;
grant execute on function totp_confirm to yg_identity;
