-- A consumer keeps what has an effect in it; of everything else it only remembers that it was there. Promised gifts, which come by the
-- thousand on a day of disaster and which no consumer needs, cost a fifth of PostgreSQL's time before.

-- What has an effect here: all, until a service's own migration says less.
create function inbox_wants(p_stream text, p_type text, p_leaf boolean) returns boolean
language sql immutable as $$ select true $$;

-- As before (0003, 0005), for all events of a slice at once.
create or replace function inbox_take(p_stream text, p_entries json) returns table (reached bigint, gap boolean, taken bigint)
language plpgsql security definer set search_path from current as $$
declare
    v_reached bigint;
    v_beginning boolean;
    v_last bigint;
    v_odd bigint;
begin
    insert into consumer_state (stream) values (p_stream) on conflict do nothing;
    select position, anywhere and position = 0 into v_reached, v_beginning from consumer_state where stream = p_stream for update;
    with e as materialized (
        select * from json_to_recordset(p_entries) as e (position bigint, previous bigint, id uuid, type text, subject text, payload text, leaf text, occurred_at timestamptz)
        where position > v_reached
    ), chained as (
        select e.*, coalesce(lag(position) over (order by position), case when v_beginning then previous else v_reached end) as prior from e
    ), broken as (
        select min(position) as at from chained where previous > prior
    ), good as materialized (
        select c.* from chained c, broken b where b.at is null or c.position < b.at
    ), kept as (
        insert into inbox (stream, position, id, type, subject, payload, leaf, occurred_at)
        select p_stream, position, id, type, subject, payload::json, decode(leaf, 'hex'), occurred_at
        from good where inbox_wants(p_stream, type, leaf is not null) order by position
    )
    select max(g.position), count(*), (select at is not null from broken), min(g.position) filter (where g.previous < g.prior) into v_last, taken, gap, v_odd from good g;
    if v_odd is not null then
        raise warning 'stream % at % goes on after what we had reached: its database was restored', p_stream, v_odd;
    end if;
    reached := coalesce(v_last, v_reached);
    update consumer_state set position = reached, gap_since = case when gap then coalesce(gap_since, now()) end where stream = p_stream;
    return next;
end $$;
revoke all on function inbox_wants(text, text, boolean) from public;
