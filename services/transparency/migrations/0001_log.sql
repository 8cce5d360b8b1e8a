-- The public log: leaves, the tree over them, signed checkpoints. All of it only grows, and only through log_append; the login role may read.

-- Leaves that came in and have no place yet, in the order of coming.
create table log_pending (
    seq bigint generated always as identity constraint log_pending_pkey primary key,
    event uuid not null,
    stream text not null,
    subject text not null,
    leaf bytea not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null default now()
);
create unique index log_pending_event on log_pending (event);

-- What came as a leaf and is none: it would make every check of the log fail for ever. People are told, nothing is lost.
create table log_refused (
    event uuid constraint log_refused_pkey primary key,
    stream text not null,
    reason text not null,
    leaf bytea not null,
    refused_at timestamptz not null default now()
);

create table log_leaf (
    index bigint constraint log_leaf_pkey primary key,
    event uuid not null,
    subject text not null,
    leaf bytea not null,
    hash bytea not null, -- SHA-256(0x00 || leaf)
    links uuid[],
    logged_at timestamptz not null default now()
);
create unique index log_leaf_event on log_leaf (event);
create index log_leaf_subject on log_leaf (subject, index);

-- Roots of complete subtrees of 256^level leaves, from level 1 on: what the tiles above level 0 are made of.
create table log_node (
    level smallint not null,
    index bigint not null,
    hash bytea not null,
    constraint log_node_pkey primary key (level, index)
);

create table log_checkpoint (
    size bigint constraint log_checkpoint_pkey primary key,
    root bytea not null,
    note text not null,
    signed_at timestamptz not null default clock_timestamp(),
    delay_ms bigint not null -- of the leaf that waited longest for this signature
);

-- The fold of all postings in the log.
create table log_balance (
    account text constraint log_balance_pkey primary key,
    fen bigint not null
);

-- One row: whoever appends holds it.
create table log_state (
    one boolean constraint log_state_pkey primary key default true,
    size bigint not null default 0
);
insert into log_state default values;

create function log_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the log is append-only' using errcode = 'restrict_violation';
end $$;
create trigger log_leaf_kept before update or delete or truncate on log_leaf for each statement execute function log_is_append_only();
create trigger log_node_kept before update or delete or truncate on log_node for each statement execute function log_is_append_only();
create trigger log_checkpoint_kept before update or delete or truncate on log_checkpoint for each statement execute function log_is_append_only();

create function log_leaf_fits() returns trigger language plpgsql set search_path from current set enable_seqscan = off as $$
begin
    if new.index is distinct from (select coalesce(max(index) + 1, 0) from log_leaf) then
        raise exception 'leaf % leaves a gap', new.index using errcode = 'restrict_violation';
    end if;
    if new.hash is distinct from sha256('\x00'::bytea || new.leaf) then
        raise exception 'leaf % has another hash', new.index using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger log_leaf_fits before insert on log_leaf for each row execute function log_leaf_fits();

create function log_checkpoint_grows() returns trigger language plpgsql set search_path from current as $$
begin
    if new.size <= (select max(size) from log_checkpoint) then
        raise exception 'a checkpoint of % leaves is no later one', new.size using errcode = 'restrict_violation';
    end if;
    if new.size is distinct from (select coalesce(max(index) + 1, 0) from log_leaf) then
        raise exception 'a checkpoint of % leaves is not of all leaves', new.size using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger log_checkpoint_grows before insert on log_checkpoint for each row execute function log_checkpoint_grows();

-- Why these bytes cannot be a leaf of this event, or NULL.
create function leaf_fault(p_leaf bytea, p_event uuid) returns text language plpgsql immutable as $$
declare v json; total numeric;
begin
    v := convert_from(p_leaf, 'UTF8')::json;
    if v ->> 'v' is distinct from '1' or v ->> 'id' is distinct from p_event::text or v ->> 'subject' is null or v -> 'data' is null then
        return 'members';
    end if;
    select coalesce(sum((p ->> 'fen')::bigint), 0) into total from json_array_elements(v -> 'postings') p;
    if total <> 0 then return 'postings do not sum to 0'; end if;
    perform l::uuid from json_array_elements_text(v -> 'links') l;
    return null;
exception when others then
    return sqlerrm;
end $$;

-- The effect of an event that is a leaf: it waits for its place. An event that comes again (under another position) is in the log already.
-- Its plans stay in the session while the tables grow from nothing, so they must not be those of an empty table (here and below).
create function leaf_arrives() returns trigger language plpgsql security definer set search_path from current set enable_seqscan = off as $$
declare fault text := leaf_fault(new.leaf, new.id);
begin
    if fault is not null then
        raise warning 'event % of % is no leaf: %', new.id, new.stream, fault;
        insert into log_refused (event, stream, reason, leaf) values (new.id, new.stream, fault, new.leaf) on conflict do nothing;
    elsif not exists (select from log_leaf where event = new.id) then
        insert into log_pending (event, stream, subject, leaf, occurred_at)
        values (new.id, new.stream, convert_from(new.leaf, 'UTF8')::json ->> 'subject', new.leaf, new.occurred_at) on conflict do nothing;
    end if;
    return null;
end $$;
create trigger inbox_leaf after insert on inbox for each row when (new.leaf is not null) execute function leaf_arrives();

-- Appends the leaves that wait under these numbers, in this order, to a log of p_size, with the new nodes and the signed checkpoint:
-- all or nothing. False when the log has grown meanwhile or a leaf has its place already: another process was first.
create function log_append(p_size bigint, p_seqs json, p_nodes json, p_root bytea, p_note text) returns boolean
language plpgsql security definer set search_path from current set enable_seqscan = off set plan_cache_mode = force_custom_plan as $$
declare
    now_size bigint;
    wanted bigint := json_array_length(p_seqs);
    seqs bigint[] := array(select s::bigint from json_array_elements_text(p_seqs) with ordinality w(s, nth) order by nth);
    added bigint;
    waited bigint;
begin
    select size into now_size from log_state for update;
    if now_size <> p_size then return false; end if;
    select count(*), coalesce(max(extract(epoch from clock_timestamp() - occurred_at) * 1000), 0)::bigint into added, waited
    from log_pending where seq = any(seqs);
    if added <> wanted then return false; end if;

    insert into log_leaf (index, event, subject, leaf, hash, links)
    select p_size + w.nth - 1, p.event, p.subject, p.leaf, sha256('\x00'::bytea || p.leaf),
           (select array_agg(l::uuid) from json_array_elements_text(convert_from(p.leaf, 'UTF8')::json -> 'links') l)
    from unnest(seqs) with ordinality w(seq, nth) join log_pending p on p.seq = w.seq
    order by w.nth;

    insert into log_balance (account, fen)
    select v ->> 'account', sum((v ->> 'fen')::bigint)
    from log_leaf l, json_array_elements(convert_from(l.leaf, 'UTF8')::json -> 'postings') v
    where l.index >= p_size and l.index < p_size + wanted
    group by 1
    on conflict (account) do update set fen = log_balance.fen + excluded.fen;

    insert into log_node (level, index, hash)
    select (n ->> 'level')::smallint, (n ->> 'index')::bigint, decode(n ->> 'hash', 'hex') from json_array_elements(p_nodes) n;
    insert into log_checkpoint (size, root, note, delay_ms) values (p_size + wanted, p_root, p_note, waited);
    delete from log_pending where seq = any(seqs);
    update log_state set size = p_size + wanted;
    return true;
end $$;

-- Hashes [first, first + 256) of a level as far as a log of p_size leaves has them, side by side.
create function log_tile(p_level int, p_tile bigint, p_size bigint) returns bytea language sql stable parallel safe set search_path from current set enable_seqscan = off as $$
    select case when p_level = 0
           then (select string_agg(hash, null order by index) from log_leaf
                 where index >= p_tile * 256 and index < least(p_tile * 256 + 256, p_size))
           else (select string_agg(hash, null order by index) from log_node
                 where level = p_level and index >= p_tile * 256 and index < least(p_tile * 256 + 256, p_size >> (8 * p_level))) end
$$;

revoke all on function log_append(bigint, json, json, bytea, text) from public;
grant execute on function log_append(bigint, json, json, bytea, text) to yg_transparency;
grant select on log_pending, log_refused, log_leaf, log_node, log_checkpoint, log_balance, log_state to yg_transparency;
