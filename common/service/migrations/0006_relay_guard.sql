-- The relay works under the service's own role, and nobody can check what it says has gone out. So what it says is held to what can be true,
-- and nothing is lost by a lie: a row is deleted only after the seven days for which it can be sent again, and a leaf only when its consumers
-- have told of it (outbox_prune asks for the same).

create function outbox_position_fixed() returns trigger
language plpgsql as $$
begin
    raise exception 'the position of event % is given', old.id using errcode = 'check_violation', constraint = 'outbox_position_fixed';
end $$;
create trigger outbox_position_fixed before update on outbox
    for each row when (old.position is not null and new.position is distinct from old.position) execute function outbox_position_fixed();

create or replace function outbox_gone_out() returns trigger
language plpgsql security definer set search_path from current as $$
declare
    s relay_state;
begin
    select * into s from relay_state;
    if old.position is null or old.position > s.published or old.occurred_at >= now() - interval '7 days'
        or (case when s.confirmed is null then old.leaf is not null else old.position > s.confirmed end) then
        raise exception 'event % has not gone out, or not long ago', old.id using errcode = 'check_violation', constraint = 'outbox_unpublished';
    end if;
    return old;
end $$;

create function relay_state_possible() returns trigger
language plpgsql as $$
begin
    raise exception 'the relay went back, or beyond what was written' using errcode = 'check_violation', constraint = 'relay_state_possible';
end $$;
create trigger relay_state_possible before update on relay_state
    for each row when (new.position < old.position or new.published < old.published or new.published > new.position or new.confirmed > new.position)
    execute function relay_state_possible();

-- At commit the last position given is that of an event that is there.
create function relay_position_true() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    if new.position is distinct from (select max(position) from outbox) then
        raise exception 'no event has position %', new.position using errcode = 'check_violation', constraint = 'relay_state_possible';
    end if;
    return null;
end $$;
create constraint trigger relay_position_true after update on relay_state
    deferrable initially deferred for each row when (new.position <> old.position) execute function relay_position_true();
revoke execute on function relay_position_true from public;
