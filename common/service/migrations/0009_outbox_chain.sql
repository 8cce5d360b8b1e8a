-- Each event names the one before it, by which a consumer sees a gap. The relay gives that name under the service's role; nobody may give one
-- that leaves out an event that is there, which consumers would then pass over in silence.
create function outbox_chain_whole() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    if exists (select from fresh n where n.position is not null and (n.previous >= n.position
            or exists (select from outbox o where o.position > coalesce(n.previous, n.position - 1) and o.position < n.position))) then
        raise exception 'an event names one before it that is not the last before it' using errcode = 'check_violation', constraint = 'outbox_chain_whole';
    end if;
    return null;
end $$;
revoke execute on function outbox_chain_whole() from public;
create trigger outbox_chain_whole after update on outbox referencing new table as fresh
    for each statement execute function outbox_chain_whole();
