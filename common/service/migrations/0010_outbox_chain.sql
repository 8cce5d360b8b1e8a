-- Each event names the one before it, by which a consumer sees a gap. The relay gives that name under the service's role; nobody may give one
-- that leaves out an event that is there, which consumers would then pass over in silence.
create function outbox_chain_whole() returns trigger
language plpgsql security definer set search_path from current set enable_nestloop = off as $$ -- nobody can estimate how large a slice is
declare
    v_first bigint; -- of those that get a position now
    v_last bigint;
    v_count bigint;
    v_odd boolean;
begin
    select min(n.position), max(n.position), count(*), bool_or(n.previous is null or n.previous < 0) into v_first, v_last, v_count, v_odd
    from fresh n join stale s using (seq) where s.position is null and n.position is not null;
    if v_count > 0 then
        -- Whoever gives positions waits here for the one before, and sees (or, under an older snapshot, fails for) what he gave.
        update relay_state set position = greatest(position, v_last);
    end if;
    if exists (select from fresh n where n.position is not null and (n.previous >= n.position
            or exists (select from outbox o where o.position > coalesce(n.previous, n.position - 1) and o.position < n.position)))
        or v_odd or v_first <= (select published from relay_state)
        or (v_count > 0 and ((select max(position) from outbox) <> v_last
            or (select count(*) from outbox where position between v_first and v_last) <> v_count)) then
        raise exception 'an event names one before it that is not the last before it' using errcode = 'check_violation', constraint = 'outbox_chain_whole';
    end if;
    return null;
end $$;
revoke execute on function outbox_chain_whole() from public;
create trigger outbox_chain_whole after update on outbox referencing old table as stale new table as fresh
    for each statement execute function outbox_chain_whole();
