-- No session of the service's role, nor of the owner, can store a node or a root that is not the tree's: the database works them out
-- again from the leaves. What it cannot check is the signature (PostgreSQL has no Ed25519); who reads a checkpoint does.

-- Root over hashes of 32 bytes side by side, as RFC 9162 joins them: pairs, and the last one without a neighbour goes up as it is.
create function log_fold(p_hashes bytea) returns bytea language plpgsql immutable strict parallel safe set search_path from current as $$
declare
    hashes bytea := p_hashes;
    many int := octet_length(p_hashes) / 32;
begin
    if many = 0 then return sha256(''::bytea); end if;
    while many > 1 loop
        select string_agg(case when 2 * i + 1 < many then sha256('\x01'::bytea || substr(hashes, 64 * i + 1, 64)) else substr(hashes, 64 * i + 1, 32) end, null order by i)
        into hashes from generate_series(0, (many - 1) / 2) i;
        many := (many + 1) / 2;
    end loop;
    return hashes;
end $$;

-- Root of the first p_size leaves, which must be all: from the partial tile of each level, lowest first.
create function log_root(p_size bigint) returns bytea language plpgsql stable set search_path from current set enable_seqscan = off as $$
declare
    root bytea := '';
begin
    for l in 0 .. 7 loop
        root := coalesce(log_tile(l, p_size >> (8 * l + 8), p_size), '') || root;
        if root <> '' then root := log_fold(root); end if;
    end loop;
    return case when root = '' then log_fold('') else root end;
end $$;

create function log_node_fits() returns trigger language plpgsql set search_path from current set enable_seqscan = off as $$
declare
    below bytea;
begin
    if new.level not between 1 and 7 or new.index is distinct from (select coalesce(max(index) + 1, 0) from log_node where level = new.level) then
        raise exception 'node % of level % leaves a gap', new.index, new.level using errcode = 'restrict_violation';
    end if;
    below := log_tile(new.level - 1, new.index, (new.index + 1) << (8 * new.level));
    if octet_length(below) is distinct from 8192 or log_fold(below) is distinct from new.hash then
        raise exception 'node % of level % is not the root of what is below it', new.index, new.level using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger log_node_fits before insert on log_node for each row execute function log_node_fits();

-- As before; and the root is that of the leaves, the note says the same, under the name that the log has had.
create or replace function log_checkpoint_grows() returns trigger language plpgsql set search_path from current set enable_seqscan = off as $$
declare
    said text[] := string_to_array(new.note, E'\n');
    name text;
begin
    if new.size <= (select max(size) from log_checkpoint) then
        raise exception 'a checkpoint of % leaves is no later one', new.size using errcode = 'restrict_violation';
    end if;
    if new.size is distinct from (select coalesce(max(index) + 1, 0) from log_leaf) then
        raise exception 'a checkpoint of % leaves is not of all leaves', new.size using errcode = 'restrict_violation';
    end if;
    if exists (select from generate_series(1, 7) l where (select coalesce(max(index) + 1, 0) from log_node where level = l) <> new.size >> (8 * l)) then
        raise exception 'a checkpoint of % leaves misses nodes', new.size using errcode = 'restrict_violation';
    end if;
    if new.root is distinct from log_root(new.size) then
        raise exception 'a checkpoint of % leaves has another root', new.size using errcode = 'restrict_violation';
    end if;
    select split_part(note, E'\n', 1) into name from log_checkpoint order by size desc limit 1;
    if said[1] is distinct from coalesce(name, said[1]) or said[2] is distinct from new.size::text or said[3] is distinct from encode(new.root, 'base64') then
        raise exception 'the note of % leaves says something else', new.size using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
revoke execute on function log_fold, log_root, log_node_fits from public;
