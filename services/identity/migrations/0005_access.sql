-- Who may touch what: the login role gets the least that the statements of sql/ need; rows by policy. Whatever is not granted here
-- goes through the functions before.

grant select on organization, scope, role, role_scope to yg_identity;

-- Citizens see themselves.
alter table citizen enable row level security;
create policy citizen_own on citizen for select using (current_kind() = 'citizen' and id = current_subject());
grant select (id, state, display_name, language, wrapped_key, phone_masked, phone_bound_at, created_at) on citizen to yg_identity;

-- Staff see themselves; administrators those of their unit and below.
alter table staff enable row level security;
create policy staff_own on staff for select using (current_kind() = 'staff' and id = current_subject());
create policy staff_unit_read on staff for select using (current_kind() = 'staff' and in_my_organization(organization));
create policy staff_unit_insert on staff for insert with check (current_kind() = 'staff' and in_my_organization(organization));
create policy staff_unit_update on staff for update using (current_kind() = 'staff' and in_my_organization(organization));
grant select (id, username, display_name, language, organization, totp_state, state, version, created_at, created_by, updated_at, updated_by)
	on staff to yg_identity;
grant insert (id, username, display_name, organization, password_sealed, created_by) on staff to yg_identity;
grant update (display_name, organization, password_sealed, totp_state, totp_sealed, state, updated_by) on staff to yg_identity;

-- A grant is given by somebody whose own unit reaches both the person's and the grant's.
alter table staff_grant enable row level security;
create policy staff_grant_read on staff_grant for select using (current_kind() = 'staff'
	and (staff_id = current_subject() or in_my_organization(organization)));
create policy staff_grant_insert on staff_grant for insert with check (current_kind() = 'staff' and in_my_organization(organization)
	and exists (select from staff s where s.id = staff_id and in_my_organization(s.organization)));
create policy staff_grant_update on staff_grant for update using (current_kind() = 'staff' and in_my_organization(organization));
grant select on staff_grant to yg_identity;
grant insert (id, staff_id, role, organization, granted_by) on staff_grant to yg_identity;
grant update (revoked_at, revoked_by) on staff_grant to yg_identity;

alter table partner enable row level security;
create policy partner_own on partner for select using (current_kind() = 'partner' and id = current_subject());
create policy partner_unit_read on partner for select using (current_kind() = 'staff' and in_my_organization(organization));
grant select on partner to yg_identity;

alter table partner_scope enable row level security;
create policy partner_scope_read on partner_scope for select using (exists (select from partner p where p.id = partner_id));
grant select on partner_scope to yg_identity;

alter table partner_key enable row level security;
create policy partner_key_read on partner_key for select using (current_kind() = 'staff' and exists (select from partner p where p.id = partner_id));
create policy partner_key_insert on partner_key for insert with check (current_kind() = 'staff'
	and exists (select from partner p where p.id = partner_id));
create policy partner_key_update on partner_key for update using (current_kind() = 'staff' and exists (select from partner p where p.id = partner_id));
grant select (id, partner_id, kind, label, created_at, created_by, expires_at, revoked_at, revoked_by) on partner_key to yg_identity;
grant insert (id, partner_id, kind, label, secret_sha256, created_by, expires_at) on partner_key to yg_identity;
grant update (revoked_at, revoked_by) on partner_key to yg_identity;

-- Everybody sees his own sessions.
alter table session enable row level security;
create policy session_own on session for select using (current_kind() in ('citizen', 'staff') and subject = current_subject() and kind = current_kind());
grant select (id, kind, subject, client, organization, device, network, created_at, last_used_at, expires_at, revoked_at) on session to yg_identity;

grant select on signing_key_live, revocation to yg_identity;

revoke execute on all functions in schema identity from public;
grant execute on function refuse, current_subject, current_kind, in_my_organization, staff_before_update,
	event_add, signing_key_add, session_revoke, citizen_sign_in, citizen_openid_find, throttle_charge, staff_find, staff_sign_in, refresh_find, refresh_rotate,
	refresh_revoke, session_is_live, partner_find, partner_add, api_key_find, me_update, staff_password, staff_password_change, citizen_phone_bind, totp_enrol, totp_pending, totp_confirm,
	staff_bootstrap, identity_prune to yg_identity;
