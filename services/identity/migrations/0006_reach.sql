-- Whoever may change an account may become its person: a new password, one-time codes taken away. A unit's administrator therefore
-- changes nobody who holds a role outside that unit, at home in it or not.

create function staff_outranks(p_staff uuid) returns boolean
language sql stable security definer set search_path = identity, pg_temp as $$
	select exists (select from staff_grant g where g.staff_id = p_staff and g.revoked_at is null and not in_my_organization(g.organization))
$$;
revoke execute on function staff_outranks from public;
grant execute on function staff_outranks to yg_identity;

alter policy staff_unit_update on staff
	using (current_kind() = 'staff' and in_my_organization(organization) and not staff_outranks(id));
