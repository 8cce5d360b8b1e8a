-- Who can sign in: citizens (through WeChat), staff and partners; and what each may do.

-- Scopes are what contracts ask for; roles are what staff are given. Citizens have the scopes of the role "citizen".
create table scope (
	name text primary key,
	meaning text not null,
	for_partners boolean not null default false,
	constraint scope_name_form check (name ~ '^[a-z]+(_[a-z]+)*:[a-z]+(_[a-z]+)*$')
);
create table role (
	name text primary key,
	title_zh text not null,
	title_en text not null,
	for_staff boolean not null default true
);
create table role_scope (
	role text not null constraint role_scope_role_unknown references role (name),
	scope text not null constraint role_scope_scope_unknown references scope (name),
	primary key (role, scope)
);

insert into scope (name, meaning, for_partners) values
	('gift:create', 'give, and see one''s own gifts', false),
	('gift:read', 'see gifts to the unit''s campaigns, with the donor''s real name where it was given', false),
	('gift:refund', 'give money back', false),
	('gift:settle', 'record that the money of a bank transfer arrived', false),
	('gift:read_public', 'read published gifts in bulk', true),
	('campaign:manage', 'draft, file, open, close and report campaigns of the unit', false),
	('staff:read', 'see the staff of the unit', false),
	('staff:manage', 'add, change and disable staff of the unit, and grant roles', false),
	('partner:manage', 'add partners of the unit, issue and revoke their keys', false),
	('token:introspect', 'ask whether a token is good', true);

insert into role (name, title_zh, title_en, for_staff) values
	('citizen', '公众', 'Citizen', false),
	('admin', '管理员', 'Administrator', true),
	('campaign_manager', '募捐项目管理', 'Campaign manager', true),
	('finance', '财务', 'Finance', true),
	('auditor', '审计', 'Auditor', true),
	('warehouse', '物资管理', 'Warehouse keeper', true);

insert into role_scope (role, scope) values
	('citizen', 'gift:create'),
	('admin', 'staff:read'), ('admin', 'staff:manage'), ('admin', 'partner:manage'), ('admin', 'token:introspect'),
	('admin', 'campaign:manage'), ('admin', 'gift:read'),
	('campaign_manager', 'campaign:manage'), ('campaign_manager', 'gift:read'),
	('finance', 'gift:read'), ('finance', 'gift:refund'), ('finance', 'gift:settle'),
	('auditor', 'gift:read'), ('auditor', 'staff:read');

-- A citizen. Sealed fields lie under the person's own key; losing wrapped_key erases them.
create table citizen (
	id uuid primary key,
	state text not null default 'ACTIVE',
	display_name text,
	language text not null default 'zh-CN',
	wrapped_key bytea,
	phone_sealed bytea,
	phone_index text, -- blind; not unique: numbers move, and one person may have two accounts
	phone_masked text,
	phone_bound_at timestamptz,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	constraint citizen_state_known check (state in ('ACTIVE', 'BLOCKED')),
	constraint citizen_name_length check (length(display_name) between 1 and 64),
	constraint citizen_language_known check (language in ('zh-CN', 'en')),
	constraint citizen_phone_whole check (num_nulls(phone_sealed, phone_index, phone_masked, phone_bound_at) in (0, 4)),
	constraint citizen_phone_key check (phone_sealed is null or wrapped_key is not null)
);
create index citizen_phone on citizen (phone_index) where phone_index is not null;

-- How a citizen signs in. An openid belongs to one app; the unionid, when there is one, joins a person's apps.
create table citizen_account (
	provider text not null,
	appid text not null,
	openid_index text not null, -- blind
	citizen_id uuid not null constraint citizen_account_citizen_unknown references citizen (id),
	wrapped_key bytea not null,
	openid_sealed bytea not null,
	unionid_index text,
	unionid_sealed bytea,
	session_key_sealed bytea not null, -- WeChat's; a new login replaces it
	created_at timestamptz not null default now(),
	last_login_at timestamptz not null default now(),
	primary key (provider, appid, openid_index),
	constraint citizen_account_provider_known check (provider in ('wechat')),
	constraint citizen_account_unionid_pair check ((unionid_index is null) = (unionid_sealed is null))
);
create index citizen_account_citizen on citizen_account (citizen_id);
create index citizen_account_unionid on citizen_account (provider, unionid_index) where unionid_index is not null;

create table staff (
	id uuid primary key,
	username text not null,
	display_name text not null,
	language text not null default 'zh-CN',
	organization text not null constraint staff_organization_unknown references organization (path),
	password_sealed bytea not null, -- argon2id, and that under the vault: a stolen table cannot be guessed at
	totp_state text not null default 'NONE',
	totp_sealed bytea,
	totp_last_step bigint not null default 0,
	state text not null default 'ACTIVE',
	version integer not null default 1,
	created_at timestamptz not null default now(),
	created_by uuid,
	updated_at timestamptz not null default now(),
	updated_by uuid,
	constraint staff_username_taken unique (username),
	constraint staff_username_form check (username ~ '^[a-z][a-z0-9._-]{2,31}$'),
	constraint staff_name_length check (length(display_name) between 1 and 64),
	constraint staff_language_known check (language in ('zh-CN', 'en')),
	constraint staff_state_known check (state in ('ACTIVE', 'DISABLED')),
	constraint staff_totp_state_known check (totp_state in ('NONE', 'PENDING', 'CONFIRMED')),
	constraint staff_totp_secret check ((totp_state = 'NONE') = (totp_sealed is null)),
	-- nobody locks himself out, so somebody who may unlock is always left
	constraint staff_disable_self check (state = 'ACTIVE' or updated_by is distinct from id)
);

create function staff_before_update() returns trigger
language plpgsql as $$
begin
	if new.id <> old.id or new.username <> old.username or new.created_at <> old.created_at then
		perform refuse('staff_identity_fixed', 'id, username and created_at never change');
	end if;
	if (new.display_name, new.language, new.organization, new.password_sealed, new.totp_state, new.state) is distinct from
		(old.display_name, old.language, old.organization, old.password_sealed, old.totp_state, old.state) then
		new.version := old.version + 1;
		new.updated_at := now();
	end if;
	return new;
end $$;
create trigger staff_before_update before update on staff for each row execute function staff_before_update();

-- A role at a unit and everything below it.
create table staff_grant (
	id uuid primary key,
	staff_id uuid not null constraint staff_grant_staff_unknown references staff (id),
	role text not null constraint staff_grant_role_unknown references role (name),
	organization text not null constraint staff_grant_organization_unknown references organization (path),
	granted_at timestamptz not null default now(),
	granted_by uuid,
	revoked_at timestamptz,
	revoked_by uuid,
	constraint staff_grant_role_citizen check (role <> 'citizen'),
	constraint staff_grant_self check (granted_by is distinct from staff_id)
);
create unique index staff_grant_taken on staff_grant (staff_id, role, organization) where revoked_at is null;

create table partner (
	id uuid primary key,
	client_id text not null,
	name text not null,
	organization text not null constraint partner_organization_unknown references organization (path),
	contact text,
	state text not null default 'ACTIVE',
	created_at timestamptz not null default now(),
	created_by uuid,
	constraint partner_client_id_taken unique (client_id),
	constraint partner_client_id_form check (client_id ~ '^[a-z][a-z0-9-]{2,47}$'),
	constraint partner_name_length check (length(name) between 2 and 100),
	constraint partner_contact_length check (length(contact) between 1 and 200),
	constraint partner_state_known check (state in ('ACTIVE', 'DISABLED'))
);
create table partner_scope (
	partner_id uuid not null constraint partner_scope_partner_unknown references partner (id),
	scope text not null constraint partner_scope_unknown references scope (name),
	primary key (partner_id, scope)
);
create function partner_scope_check() returns trigger
language plpgsql as $$
begin
	if not (select for_partners from scope where name = new.scope) then
		perform refuse('partner_scope_forbidden', new.scope);
	end if;
	return new;
end $$;
create trigger partner_scope_check before insert or update on partner_scope for each row execute function partner_scope_check();

-- Secrets of partners: 256 random bits, so a plain SHA-256 is enough and can be looked up.
create table partner_key (
	id uuid primary key,
	partner_id uuid not null constraint partner_key_partner_unknown references partner (id),
	kind text not null,
	label text,
	secret_sha256 bytea not null,
	created_at timestamptz not null default now(),
	created_by uuid,
	expires_at timestamptz not null,
	revoked_at timestamptz,
	revoked_by uuid,
	constraint partner_key_kind_known check (kind in ('client_secret', 'api_key')),
	constraint partner_key_label_length check (length(label) between 1 and 64),
	constraint partner_key_digest_length check (length(secret_sha256) = 32),
	constraint partner_key_period_order check (expires_at > created_at),
	constraint partner_key_secret_taken unique (secret_sha256)
);
create index partner_key_partner on partner_key (partner_id, created_at desc);

-- Two live secrets are enough for rotation; a few more for parts of a partner that rotate apart.
create function partner_key_limit() returns trigger
language plpgsql security definer set search_path = identity, pg_temp as $$
begin
	perform 1 from partner where id = new.partner_id for update;
	if (select count(*) from partner_key where partner_id = new.partner_id and revoked_at is null and expires_at > now()) >= 5 then
		perform refuse('partner_key_limit', 'a partner has at most five live keys');
	end if;
	return new;
end $$;
create trigger partner_key_limit before insert on partner_key for each row execute function partner_key_limit();
