-- What a look with fresh eyes found.

-- This service's role writes leaves of its own (disclosures); its table rules say of what.
grant execute on function outbox_leaf(text, text, json, text, text, timestamptz, json, json, json, json) to yg_transparency;

-- A leaf is spelled one way (deploy/verify/README.md, "Leaves"): members of the right kind, no white space, whole numbers that every
-- language reads alike.
create or replace function leaf_fault(p_leaf bytea, p_event uuid) returns text language plpgsql immutable as $$
declare v json; total numeric;
begin
    v := convert_from(p_leaf, 'UTF8')::json;
    if json_typeof(v -> 'v') is distinct from 'number' or v ->> 'v' <> '1' or v ->> 'id' is distinct from p_event::text
        or json_typeof(v -> 'subject') is distinct from 'string' or json_typeof(v -> 'type') is distinct from 'string'
        or json_typeof(v -> 'data') is distinct from 'object' then
        return 'members';
    end if;
    if json_strip_nulls(v)::text <> convert_from(p_leaf, 'UTF8') then return 'not in the canonical spelling'; end if;
    if jsonb_path_exists(v::jsonb, '$.** ? (@.type() == "number" && (@ > 9007199254740991 || @ < -9007199254740991 || @ != @.floor()))') then
        return 'a number out of range';
    end if;
    select coalesce(sum((p ->> 'fen')::bigint), 0) into total from json_array_elements(v -> 'postings') p;
    if total <> 0 then return 'postings do not sum to 0'; end if;
    perform l::uuid from json_array_elements_text(v -> 'links') l;
    return null;
exception when others then
    return sqlerrm;
end $$;

-- An event that cannot be read must not stop the log: it is passed over, with a warning.
create or replace function campaign_followed() returns trigger language plpgsql security definer set search_path from current as $$
declare c disclosed_campaign;
begin
    c := json_populate_record(null::disclosed_campaign, new.payload);
    c.id := new.subject::uuid;
    if c.starts_on is null or c.ends_on is null then return null; end if; -- no plan is filed without
    insert into disclosed_campaign select c.*
    on conflict (id) do update set organization = excluded.organization, title = excluded.title, state = excluded.state,
        starts_on = excluded.starts_on, ends_on = excluded.ends_on, filed_on = excluded.filed_on, emergency_late = excluded.emergency_late,
        closed_on = excluded.closed_on, reported_on = excluded.reported_on;
    return null;
exception when data_exception or integrity_constraint_violation then
    raise warning 'event % of % tells of no campaign: %', new.id, new.stream, sqlerrm;
    return null;
end $$;

-- An obligation is met by the unit that has it, or by one above.
create function disclosure_meets_for(p_publisher text, p_obliged text) returns boolean
language sql immutable parallel safe as $$ select p_obliged = p_publisher or starts_with(p_obliged, p_publisher || '/') $$;

-- As before, but for whose disclosure counts.
create or replace function obligations(p_on date) returns table (key text, rule text, organization text, campaign_id uuid, title text, due_on date, met_on date, state text)
language sql stable set search_path from current as $$
    with found as (
        select 'filing:' || c.id, case when c.emergency_late then 'emergency-filing' else 'filing' end, c.organization, c.id, c.title,
               (c.starts_on + r.span)::date, c.filed_on, (c.starts_on + r.span)::date - 30
        from disclosed_campaign c join disclosure_rule r on r.code = case when c.emergency_late then 'emergency-filing' else 'filing' end
        union all
        select 'progress:' || c.id || ':' || n, r.code, c.organization, c.id, c.title, (c.starts_on + n * r.span)::date, null::date, (c.starts_on + (n - 1) * r.span)::date
        from disclosed_campaign c join disclosure_rule r on r.code = 'progress', generate_series(1, 400) n
        where least(coalesce(c.closed_on, c.ends_on), c.ends_on) > (c.starts_on + interval '6 months')::date
          and (c.starts_on + n * r.span)::date <= least(coalesce(c.closed_on, c.ends_on), c.ends_on)
        union all
        select 'final:' || c.id, r.code, c.organization, c.id, c.title, (least(coalesce(c.closed_on, c.ends_on), c.ends_on) + r.span)::date, c.reported_on,
               least(coalesce(c.closed_on, c.ends_on), c.ends_on)
        from disclosed_campaign c join disclosure_rule r on r.code = 'final'
        union all
        select 'matter:' || m.id, r.code, m.organization, null, m.title, (m.happened_on + r.span)::date, null, m.happened_on
        from disclosure_matter m join disclosure_rule r on r.code = 'matter'
        union all
        select 'annual:' || o.organization || ':' || y, r.code, o.organization, null, y || ' 年度工作报告', make_date(y + 1, 5, 31), null, make_date(y + 1, 1, 1)
        from (select distinct split_part(organization, '/', 1) as organization from disclosed_campaign) o,
             disclosure_rule r, generate_series(extract(year from r.effective_from)::int, extract(year from p_on)::int - 1) y
        where r.code = 'annual'
    ), known (key, rule, organization, campaign_id, title, due_on, met_on, begins_on) as (select * from found)
    select k.key, k.rule, k.organization, k.campaign_id, k.title, k.due_on, m.met_on,
           case when m.met_on is not null then 'MET' when k.due_on < p_on then 'OVERDUE' else 'DUE' end
    from known k join disclosure_rule r on r.code = k.rule,
         lateral (select min(d) as met_on from (
             select k.met_on as d
             union all
             select (published_at at time zone 'Asia/Shanghai')::date from disclosure d where d.obligation = k.key and disclosure_meets_for(d.organization, k.organization)) all_of
             where d <= p_on) m
    where k.begins_on <= p_on and k.due_on >= r.effective_from and (r.effective_to is null or k.due_on <= r.effective_to)
$$;
