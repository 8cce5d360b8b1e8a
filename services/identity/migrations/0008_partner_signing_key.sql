-- Keys with which partners sign their requests (RFC 9421): public halves only. And the nonces of what they signed.

-- A key is live from not_before to not_after unless revoked. Several are live at a time, so that a partner can change over. The
-- keyid is in every signature and is never given twice.
create table partner_signing_key (
	id uuid primary key,
	partner_id uuid not null constraint partner_signing_key_partner_unknown references partner (id),
	keyid text not null,
	alg text not null,
	public_key text not null, -- SPKI, PEM
	label text,
	not_before timestamptz not null default now(),
	not_after timestamptz not null,
	created_at timestamptz not null default now(),
	created_by uuid,
	revoked_at timestamptz,
	revoked_by uuid,
	constraint partner_signing_key_keyid_taken unique (keyid),
	constraint partner_signing_key_keyid_form check (keyid ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{2,63}$'),
	constraint partner_signing_key_alg_known check (alg in ('ed25519', 'ecdsa-p256-sha256', 'rsa-pss-sha512')),
	constraint partner_signing_key_pem_form check (length(public_key) <= 2000 and public_key like '-----BEGIN PUBLIC KEY-----%'),
	constraint partner_signing_key_label_length check (length(label) between 1 and 64),
	constraint partner_signing_key_period_order check (not_after > not_before and not_after <= not_before + interval '731 days')
);
create index partner_signing_key_partner on partner_signing_key (partner_id, created_at desc);

-- As with secrets: two for changing over, a few more for parts of a partner that change apart.
create function partner_signing_key_limit() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform 1 from partner where id = new.partner_id for update;
	if (select count(*) from partner_signing_key where partner_id = new.partner_id and revoked_at is null and not_after > now()) >= 5 then
		perform refuse('partner_signing_key_limit', 'a partner has at most five live signing keys');
	end if;
	return new;
end $$;
create trigger partner_signing_key_limit before insert on partner_signing_key for each row execute function partner_signing_key_limit();

create function partner_signing_key_event() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		perform event_add('PARTNER_KEY_ADDED', 'partner', new.partner_id, new.id, new.created_by, null, 'signing ' || new.alg);
	elsif old.revoked_at is null and new.revoked_at is not null then
		perform event_add('PARTNER_KEY_REVOKED', 'partner', new.partner_id, new.id, new.revoked_by, null, 'signing ' || new.alg);
		perform revocation_add(new.id); -- gateways hear of it within a second or two
	end if;
	return null;
end $$;
create trigger partner_signing_key_event after insert or update on partner_signing_key for each row execute function partner_signing_key_event();

-- For the gateways: the live key of that name, and whose it is.
create function partner_signing_key_find(p_keyid text) returns table (subject uuid, organization text, scopes text, client_id text, key_id uuid,
	alg text, public_key text, expires_at timestamptz)
language sql stable security definer set search_path = identity, pg_temp as $$
	select p.id, p.organization, (select coalesce(string_agg(s.scope, ' ' order by s.scope), '') from partner_scope s where s.partner_id = p.id),
	       p.client_id, k.id, k.alg, k.public_key, k.not_after
	from partner_signing_key k
	join partner p on p.id = k.partner_id
	where k.keyid = p_keyid and k.revoked_at is null and k.not_before <= now() and k.not_after > now() and p.state = 'ACTIVE'
$$;

-- What was used up: SHA-256 of keyid and nonce, kept longer than any signature with it can be accepted.
create table signature_nonce (
	digest bytea primary key,
	expires_at timestamptz not null,
	constraint signature_nonce_digest_length check (length(digest) = 32)
);
create index signature_nonce_expiry on signature_nonce (expires_at);

-- True for exactly one of all that ask, whatever process they ask from. Each claim takes two old rows away, so the table needs no keeper.
create function signature_nonce_claim(p_digest bytea) returns boolean
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	delete from signature_nonce where digest in
		(select digest from signature_nonce where expires_at < now() order by expires_at limit 2 for update skip locked);
	insert into signature_nonce (digest, expires_at) values (p_digest, now() + interval '15 minutes') on conflict do nothing;
	return found;
end $$;

-- ── who may touch what ──
alter table partner_signing_key enable row level security;
create policy partner_signing_key_read on partner_signing_key for select using (current_kind() = 'staff'
	and exists (select from partner p where p.id = partner_id));
create policy partner_signing_key_insert on partner_signing_key for insert with check (current_kind() = 'staff'
	and exists (select from partner p where p.id = partner_id));
create policy partner_signing_key_update on partner_signing_key for update using (current_kind() = 'staff'
	and exists (select from partner p where p.id = partner_id));
grant select on partner_signing_key to yg_identity;
grant insert (id, partner_id, keyid, alg, public_key, label, not_before, not_after, created_by) on partner_signing_key to yg_identity;
grant update (revoked_at, revoked_by) on partner_signing_key to yg_identity;
revoke execute on function partner_signing_key_limit, partner_signing_key_event, partner_signing_key_find, signature_nonce_claim from public;
grant execute on function partner_signing_key_find, signature_nonce_claim to yg_identity;
