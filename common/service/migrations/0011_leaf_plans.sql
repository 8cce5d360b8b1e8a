-- What is called once for each event keeps its plan: a function in SQL that cannot be inlined is planned anew at every call, which cost more
-- than what it does.
create or replace function leaf_time(at timestamptz) returns text language plpgsql immutable parallel safe as $$
begin
    return to_char(at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.US"+08:00"');
end $$;

create or replace function leaf_bytes(type text, id uuid, at timestamptz, recorded_at timestamptz, subject text, data json,
    commitments json default null, postings json default null, links json default null) returns bytea
language plpgsql immutable parallel safe as $$
begin
    return convert_to(json_strip_nulls(json_build_object('v', 1, 'type', type, 'id', id, 'at', leaf_time(at),
        'recorded_at', leaf_time(recorded_at), 'subject', subject, 'data', data, 'commitments', commitments,
        'postings', postings, 'links', links))::text, 'UTF8');
end $$;

create or replace function outbox_leaf(event_type text, event_subject text, event_payload json, leaf_type text, leaf_subject text,
    happened_at timestamptz, data json, commitments json default null, postings json default null, links json default null)
returns uuid language plpgsql volatile security definer set search_path from current as $$
declare
    v_id uuid := gen_random_uuid();
begin
    insert into outbox (id, type, subject, payload, leaf)
    values (v_id, event_type, event_subject, event_payload,
            leaf_bytes(leaf_type, v_id, happened_at, now(), leaf_subject, data, commitments, postings, links));
    return v_id;
end $$;
