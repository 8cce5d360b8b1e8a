-- Client certificates of partners (RFC 8705). A partner that ever had one is asked for one on every token and every API key from then on:
-- taking the last one away leaves it without access, not without protection.
create table partner_certificate (
	id uuid primary key,
	partner_id uuid not null constraint partner_certificate_partner_unknown references partner (id),
	sha256 bytea not null, -- of the certificate's DER: "x5t#S256"
	label text,
	created_at timestamptz not null default now(),
	created_by uuid,
	revoked_at timestamptz,
	revoked_by uuid,
	constraint partner_certificate_digest_length check (length(sha256) = 32),
	constraint partner_certificate_label_length check (length(label) between 1 and 64)
);
create index partner_certificate_partner on partner_certificate (partner_id, created_at desc);
-- A certificate says who somebody is, so it belongs to one.
create unique index partner_certificate_taken on partner_certificate (sha256) where revoked_at is null;

create function partner_certificate_limit() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform 1 from partner where id = new.partner_id for update;
	if (select count(*) from partner_certificate where partner_id = new.partner_id and revoked_at is null) >= 4 then
		perform refuse('partner_certificate_limit', 'a partner has at most four live certificates');
	end if;
	return new;
end $$;
create trigger partner_certificate_limit before insert on partner_certificate for each row execute function partner_certificate_limit();

alter table auth_event drop constraint auth_event_known;
alter table auth_event add constraint auth_event_known check (event ~ '^[A-Z][A-Z_]{2,39}$');

create function partner_certificate_event() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		perform event_add('PARTNER_CERTIFICATE_ADDED', 'partner', new.partner_id, new.id, new.created_by, null, thumbprint(new.sha256));
	elsif old.revoked_at is null and new.revoked_at is not null then
		perform event_add('PARTNER_CERTIFICATE_REVOKED', 'partner', new.partner_id, new.id, new.revoked_by, null, thumbprint(new.sha256));
	end if;
	return null;
end $$;

-- base64url without padding
create function thumbprint(p_sha256 bytea) returns text
language sql immutable as $$ select rtrim(translate(encode(p_sha256, 'base64'), '+/', '-_'), '=') $$;

create trigger partner_certificate_event after insert or update on partner_certificate
	for each row execute function partner_certificate_event();

-- The live ones as a list for binding; NULL for a partner that is not bound, '' for one that is and has none.
create function partner_certificates(p_partner uuid) returns text
language sql stable security definer set search_path = identity, pg_temp as $$
	select coalesce(string_agg(thumbprint(sha256), ' ' order by id) filter (where revoked_at is null), '')
	from partner_certificate where partner_id = p_partner having count(*) > 0
$$;

alter table partner_certificate enable row level security;
create policy partner_certificate_read on partner_certificate for select using (current_kind() = 'staff'
	and exists (select from partner p where p.id = partner_id));
create policy partner_certificate_insert on partner_certificate for insert with check (current_kind() = 'staff'
	and exists (select from partner p where p.id = partner_id));
create policy partner_certificate_update on partner_certificate for update using (current_kind() = 'staff'
	and exists (select from partner p where p.id = partner_id));
grant select on partner_certificate to yg_identity;
grant insert (id, partner_id, sha256, label, created_by) on partner_certificate to yg_identity;
grant update (revoked_at, revoked_by) on partner_certificate to yg_identity;

revoke execute on function partner_certificate_limit, partner_certificate_event, thumbprint, partner_certificates from public;
grant execute on function thumbprint, partner_certificates to yg_identity;
