-- An event may also be a leaf of the public log: its exact bytes go out with it, in the same row, once.
-- The form is specified in deploy/verify/README.md ("Leaves").

alter table outbox add column leaf bytea constraint outbox_leaf_size check (octet_length(leaf) between 1 and 65535);

-- RFC 3339 as leaves write it: Asia/Shanghai, microseconds.
create function leaf_time(at timestamptz) returns text language sql immutable parallel safe
    as $$ select to_char(at at time zone 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.US"+08:00"') $$;

-- One canonical leaf: members in the fixed order, no white space, members that are null left out (json_strip_nulls does both).
create function leaf_bytes(type text, id uuid, at timestamptz, recorded_at timestamptz, subject text, data json,
    commitments json default null, postings json default null, links json default null) returns bytea
language sql immutable parallel safe
    as $$ select convert_to(json_strip_nulls(json_build_object('v', 1, 'type', type, 'id', id, 'at', leaf_time(at),
        'recorded_at', leaf_time(recorded_at), 'subject', subject, 'data', data, 'commitments', commitments,
        'postings', postings, 'links', links))::text, 'UTF8') $$;

-- hex(SHA-256(salt || value)): what a leaf shows instead of a name.
create function leaf_commitment(salt bytea, value text) returns text language sql immutable parallel safe
    as $$ select encode(sha256(salt || convert_to(value, 'UTF8')), 'hex') $$;

-- Writes an event that is a leaf too; the leaf's id is the event's. Returns it.
create function outbox_leaf(event_type text, event_subject text, event_payload json, leaf_type text, leaf_subject text,
    happened_at timestamptz, data json, commitments json default null, postings json default null, links json default null)
returns uuid language sql volatile as $$
    with made as (select gen_random_uuid() as id)
    insert into outbox (id, type, subject, payload, leaf)
    select id, event_type, event_subject, event_payload,
           leaf_bytes(leaf_type, id, happened_at, now(), leaf_subject, data, commitments, postings, links)
    from made
    returning id
$$;
