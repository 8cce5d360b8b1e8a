-- Events of other services come in here, each once and in order; and the relay remembers the event before each, so that a gap shows.

-- The position given before this one. Positions may jump (a database restored behind its stream); the chain does not.
alter table outbox add column previous bigint;
-- Up to here every consumer has taken the stream; NULL: nobody consumes it.
alter table relay_state add column confirmed bigint;

-- Where this service stands in each stream that it consumes. One row per stream.
create table consumer_state (
    stream text constraint consumer_state_pkey primary key,
    position bigint not null default 0,
    gap_since timestamptz -- an event behind `position` is missing in the stream: nothing is taken until it is back
);

-- What was taken. A service's effect of an event is a trigger on this table, so that both are one transaction.
create table inbox (
    stream text not null,
    position bigint not null,
    id uuid not null,
    type text not null,
    subject text not null,
    payload json not null,
    leaf bytea,
    occurred_at timestamptz not null,
    received_at timestamptz not null default now(),
    constraint inbox_pkey primary key (stream, position)
);
create index inbox_received on inbox (received_at);

-- Takes the next events of a stream, under the row of the stream: any number of processes may try. What was taken before is passed
-- over; at a gap it stops. `reached` is where we stand now, `gap` whether an event is missing.
create function inbox_take(p_stream text, p_entries json) returns table (reached bigint, gap boolean, taken bigint)
language plpgsql security definer set search_path from current as $$
declare e record;
begin
    gap := false;
    taken := 0;
    insert into consumer_state (stream) values (p_stream) on conflict do nothing;
    select position into reached from consumer_state where stream = p_stream for update;
    for e in select (v ->> 'position')::bigint as position, (v ->> 'previous')::bigint as previous, (v ->> 'id')::uuid as id,
                 v ->> 'type' as type, v ->> 'subject' as subject, (v ->> 'payload')::json as payload,
                 decode(v ->> 'leaf', 'hex') as leaf, (v ->> 'occurred_at')::timestamptz as occurred_at
             from json_array_elements(p_entries) with ordinality as t(v, nth) order by nth loop
        continue when e.position <= reached;
        if e.previous > reached then
            gap := true;
            exit;
        end if;
        if e.previous < reached then
            raise warning 'stream % goes on after %, and we stand at %: its database was restored', p_stream, e.previous, reached;
        end if;
        insert into inbox (stream, position, id, type, subject, payload, leaf, occurred_at)
        values (p_stream, e.position, e.id, e.type, e.subject, e.payload, e.leaf, e.occurred_at);
        reached := e.position;
        taken := taken + 1;
    end loop;
    update consumer_state set position = reached, gap_since = case when gap then coalesce(gap_since, now()) end where stream = p_stream;
    return next;
end $$;

do $$
declare login text := 'yg_' || current_schema();
begin
    execute format('grant update (previous) on outbox to %I', login);
    execute format('grant select on consumer_state to %I', login);
    execute format('grant select, delete on inbox to %I', login);
    revoke all on function inbox_take(text, json) from public;
    execute format('grant execute on function inbox_take(text, json) to %I', login);
end $$;
