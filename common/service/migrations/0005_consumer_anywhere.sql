-- A consumer that needs no history (`anywhere`) begins at whatever event it finds first; every other waits for the first of all.

alter table consumer_state add column anywhere boolean not null default false;

create or replace function inbox_take(p_stream text, p_entries json) returns table (reached bigint, gap boolean, taken bigint)
language plpgsql security definer set search_path from current as $$
declare
    e record;
    beginning boolean;
begin
    gap := false;
    taken := 0;
    insert into consumer_state (stream) values (p_stream) on conflict do nothing;
    select position, anywhere and position = 0 into reached, beginning from consumer_state where stream = p_stream for update;
    for e in select (v ->> 'position')::bigint as position, (v ->> 'previous')::bigint as previous, (v ->> 'id')::uuid as id,
                 v ->> 'type' as type, v ->> 'subject' as subject, (v ->> 'payload')::json as payload,
                 decode(v ->> 'leaf', 'hex') as leaf, (v ->> 'occurred_at')::timestamptz as occurred_at
             from json_array_elements(p_entries) with ordinality as t(v, nth) order by nth loop
        continue when e.position <= reached;
        if e.previous > reached and not beginning then
            gap := true;
            exit;
        end if;
        if e.previous < reached then
            raise warning 'stream % goes on after %, and we stand at %: its database was restored', p_stream, e.previous, reached;
        end if;
        insert into inbox (stream, position, id, type, subject, payload, leaf, occurred_at)
        values (p_stream, e.position, e.id, e.type, e.subject, e.payload, e.leaf, e.occurred_at);
        reached := e.position;
        beginning := false;
        taken := taken + 1;
    end loop;
    update consumer_state set position = reached, gap_since = case when gap then coalesce(gap_since, now()) end where stream = p_stream;
    return next;
end $$;
