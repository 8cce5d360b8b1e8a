-- What the login role may not do to the outbox: make a leaf of its own, or drop what is not told to have gone out. (The relay works under the
-- same role and tells what has: whoever is that role can still lie about it, as whoever holds the stream could.)

do $$
declare login text := 'yg_' || current_schema();
begin
    execute format('revoke insert on outbox from %I', login);
    execute format('grant insert (type, subject, payload) on outbox to %I', login);
end $$;

-- Leaves are written by functions of the owner; a service whose role may write its own grants this one.
alter function outbox_leaf(text, text, json, text, text, timestamptz, json, json, json, json) security definer;
alter function outbox_leaf(text, text, json, text, text, timestamptz, json, json, json, json) set search_path from current;
revoke execute on function outbox_leaf(text, text, json, text, text, timestamptz, json, json, json, json) from public;

create function outbox_gone_out() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    if old.position is null or old.position > (select published from relay_state) then
        raise exception 'event % has not gone out', old.id using errcode = 'check_violation', constraint = 'outbox_unpublished';
    end if;
    return old;
end $$;
create trigger outbox_gone_out before delete on outbox for each row execute function outbox_gone_out();
