-- Keys that sign, sessions, refresh tokens, revocations, throttles, and the log of all that.

-- Private parts lie under the vault. A key signs from signs_from on until the next one does, and verifies for a day longer.
create table signing_key (
	kid text primary key,
	alg text not null,
	private_sealed bytea not null,
	public_jwk json not null,
	created_at timestamptz not null default now(),
	signs_from timestamptz not null,
	constraint signing_key_alg_known check (alg in ('ES256'))
);
create unique index signing_key_moment on signing_key (signs_from);

create table session (
	id uuid primary key,
	kind text not null,
	subject uuid not null,
	client text not null,
	organization text, -- staff: the unit asked for at login
	device text,
	network text,      -- the address's /24 or /48, for the person to recognise
	created_at timestamptz not null default now(),
	last_used_at timestamptz not null default now(),
	expires_at timestamptz not null,
	ends_at timestamptz not null, -- refreshing cannot carry it past this
	revoked_at timestamptz,
	revoke_reason text,
	constraint session_kind_known check (kind in ('citizen', 'staff')),
	constraint session_device_length check (length(device) <= 200),
	constraint session_period_order check (expires_at <= ends_at),
	constraint session_revoke_reason_known check ((revoked_at is null) = (revoke_reason is null) and
		revoke_reason in ('LOGOUT', 'CLOSED_BY_OWNER', 'REFRESH_REUSED', 'REVOKED_TOKEN', 'DISABLED', 'GRANTS_CHANGED', 'PASSWORD_CHANGED', 'TOO_MANY'))
);
create index session_subject on session (subject, created_at desc);
create index session_expiry on session (expires_at);

-- Single-use refresh tokens: SHA-256 of 256 random bits. The session is the family.
create table refresh_token (
	sha256 bytea primary key,
	session_id uuid not null constraint refresh_token_session_unknown references session (id) on delete cascade,
	issued_at timestamptz not null default now(),
	expires_at timestamptz not null,
	used_at timestamptz,
	successor_sha256 bytea,
	-- The token that replaced this one, under a key that only this one gives: a retry within a minute gets the same answer.
	successor_sealed bytea,
	constraint refresh_token_digest_length check (length(sha256) = 32),
	constraint refresh_token_successor check ((used_at is null) = (successor_sha256 is null))
);
-- One live token per session.
create unique index refresh_token_live on refresh_token (session_id) where used_at is null;
create index refresh_token_expiry on refresh_token (expires_at);

-- What the gateways ask for every second. `seq` is given under a lock held to the commit, so nobody sees 7 before 6.
create table revocation (
	seq bigint generated always as identity primary key,
	session uuid not null, -- of a person, or the id of a partner's key
	revoked_at timestamptz not null default now(),
	expires_at timestamptz not null -- every token of the session is dead by itself then
);
create index revocation_expiry on revocation (expires_at);

-- Append-only log of what matters for security. Keeps no addresses finer than a network and no names.
create table auth_event (
	seq bigint generated always as identity primary key,
	recorded_at timestamptz not null default now(),
	event text not null,
	kind text,
	subject uuid,
	session uuid,
	actor uuid,
	network text,
	detail text,
	constraint auth_event_known check (event in ('LOGIN', 'LOGIN_REFUSED', 'REFRESH_REUSED', 'SESSION_REVOKED', 'TOKEN_ISSUED',
		'SIGNING_KEY_ADDED', 'PARTNER_KEY_ADDED', 'PARTNER_KEY_REVOKED', 'GRANT_ADDED', 'GRANT_REVOKED', 'STAFF_ADDED', 'STAFF_CHANGED',
		'PHONE_BOUND'))
);
create index auth_event_subject on auth_event (subject, recorded_at desc);
create trigger auth_event_append_only before update or delete on auth_event for each row execute function append_only();

-- Failures per bucket. Buckets are blind indexes of (username, network), (username) and (network).
create table throttle (
	bucket text primary key,
	failures integer not null default 0,
	last_at timestamptz not null default now(),
	blocked_until timestamptz,
	constraint throttle_failures_range check (failures between 0 and 1000000)
);
create index throttle_age on throttle (last_at);

-- Networks from which a staff member signed in: what happens elsewhere does not lock them.
create table known_network (
	staff_id uuid not null constraint known_network_staff_unknown references staff (id),
	network text not null, -- the network's bucket
	last_ok_at timestamptz not null default now(),
	primary key (staff_id, network)
);
