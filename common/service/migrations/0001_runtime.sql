-- What the runtime needs in every service's schema. Runs as the schema's owner with search_path set to it.

-- One row per Idempotency-Key used: written in the transaction of its effect (ARCHITECTURE.md, "Idempotency").
create table idempotency (
    id uuid constraint idempotency_pkey primary key,
    operation text not null,
    fingerprint uuid not null,
    answer json,
    created_at timestamptz not null default now()
);
create index idempotency_created on idempotency (created_at);

-- Events leave through here. `seq` is the order of writing; `position` the order of publishing, given to committed rows only.
create table outbox (
    seq bigint generated always as identity constraint outbox_pkey primary key,
    position bigint constraint outbox_position unique,
    id uuid not null default gen_random_uuid(),
    type text not null,
    subject text not null,
    payload json not null,
    occurred_at timestamptz not null default now()
);
create index outbox_unpositioned on outbox (seq) where position is null;

-- Where the relay stands. One row.
create table relay_state (
    one boolean constraint relay_state_pkey primary key default true constraint relay_state_one check (one),
    position bigint not null default 0,   -- last position given
    published bigint not null default 0   -- last position known to be in the stream
);
insert into relay_state default values;

-- Who asks, for row-level security; set by the runtime for the transaction only.
create function current_subject() returns uuid language sql stable parallel safe
    as $$ select nullif(current_setting('yg.subject', true), '')::uuid $$;
create function current_kind() returns text language sql stable parallel safe
    as $$ select coalesce(current_setting('yg.kind', true), '') $$;
-- True when `unit` is the caller's organisation or below it.
create function in_my_organization(unit text) returns boolean language sql stable parallel safe
    as $$ select coalesce(current_setting('yg.organization', true), '') <> ''
              and (unit = current_setting('yg.organization', true)
                   or starts_with(unit, current_setting('yg.organization', true) || '/')) $$;

do $$
declare login text := 'yg_' || current_schema();
begin
    execute format('grant usage on schema %I to %I', current_schema(), login);
    execute format('grant select, insert, delete on idempotency to %I', login);
    execute format('grant update (answer) on idempotency to %I', login);
    execute format('grant select, insert, delete on outbox to %I', login);
    execute format('grant update (position) on outbox to %I', login);
    execute format('grant select, update on relay_state to %I', login);
end $$;
