-- What the law wants published, and when (信息公开). Rules are data with dates of force; obligations are computed from them and from the
-- campaigns' events for a given day, never from the clock; what was published stays, and is corrected by a further entry only.

create table disclosure_rule (
    code text constraint disclosure_rule_pkey primary key,
    text_zh text not null,
    text_en text not null,
    article text not null,
    effective_from date not null,
    effective_to date,
    span interval not null, -- what the computation of this code adds
    constraint disclosure_rule_code check (code in ('filing', 'emergency-filing', 'progress', 'final', 'matter', 'annual'))
);
insert into disclosure_rule (code, text_zh, text_en, article, effective_from, span) values
    ('filing', '公开募捐方案应当在活动开始十日前备案', 'File the plan ten days before the campaign starts', '慈善法；公开募捐管理办法', '2024-09-05', '-10 days'),
    ('emergency-filing', '应对重大突发事件的，可在活动开始后十日内补办备案', 'In a major emergency file within ten days after the start', '慈善法；公开募捐管理办法', '2024-09-05', '10 days'),
    ('progress', '募捐周期超过六个月的，至少每三个月公开一次', 'While running longer than six months, publish every three months', '慈善法；慈善组织信息公开办法', '2024-09-05', '3 months'),
    ('final', '活动结束后三个月内全面公开', 'Publish everything within three months after the end', '慈善法；慈善组织信息公开办法', '2024-09-05', '3 months'),
    ('matter', '重大资产变动、关联交易等事项发生后三十日内公开', 'Publish major assets and related-party matters within thirty days', '慈善组织信息公开办法', '2026-01-01', '30 days'),
    ('annual', '每年五月三十一日前公开上一年度工作报告', 'Publish the report of the year before by 31 May', '慈善法；慈善组织信息公开办法', '2024-09-05', '5 months');

-- Campaigns as their events tell of them.
create table disclosed_campaign (
    id uuid constraint disclosed_campaign_pkey primary key,
    organization text not null,
    title text not null,
    state text not null,
    starts_on date not null,
    ends_on date not null,
    filed_on date,
    emergency_late boolean not null,
    closed_on date,
    reported_on date
);

create function campaign_followed() returns trigger language plpgsql security definer set search_path from current as $$
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
end $$;
create trigger inbox_campaign after insert on inbox for each row when (new.stream = 'donations' and new.type = 'campaign.changed')
    execute function campaign_followed();

-- Matters of their own clock: major assets, related parties.
create table disclosure_matter (
    id uuid constraint disclosure_matter_pkey primary key,
    organization text not null,
    kind text not null constraint disclosure_matter_kind check (kind in ('MAJOR', 'RELATED_PARTY')),
    title text not null,
    happened_on date not null,
    recorded_by uuid,
    recorded_at timestamptz not null default now()
);

create table disclosure (
    id uuid constraint disclosure_pkey primary key,
    organization text not null,
    obligation text, -- the one that it meets
    corrects uuid constraint disclosure_corrects_known references disclosure (id),
    explanation text,
    title text not null,
    summary text not null,
    document_url text,
    document_sha256 text constraint disclosure_document_digest check (document_sha256 ~ '^[0-9a-f]{64}$'),
    event uuid not null, -- its leaf in the log
    published_by uuid,
    published_at timestamptz not null default now(),
    constraint disclosure_explained check ((corrects is null) = (explanation is null))
);
create index disclosure_newest on disclosure (published_at desc, id desc);
create index disclosure_meets on disclosure (obligation) where obligation is not null;
create index disclosure_corrections on disclosure (corrects) where corrects is not null;

create trigger disclosure_kept before update or delete or truncate on disclosure for each statement execute function log_is_append_only();
create trigger disclosure_matter_kept before update or delete or truncate on disclosure_matter for each statement execute function log_is_append_only();

alter table disclosure enable row level security;
create policy disclosure_public on disclosure for select using (true);
create policy disclosure_staff on disclosure for insert with check (current_kind() = 'staff' and in_my_organization(organization));
alter table disclosure_matter enable row level security;
create policy disclosure_matter_public on disclosure_matter for select using (true);
create policy disclosure_matter_staff on disclosure_matter for insert with check (current_kind() = 'staff' and in_my_organization(organization));
grant select on disclosure_rule, disclosed_campaign, disclosure, disclosure_matter to yg_transparency;
grant insert on disclosure_matter to yg_transparency;
grant insert (id, organization, obligation, corrects, explanation, title, summary, document_url, document_sha256, event, published_by) on disclosure to yg_transparency;

-- Every obligation that had begun by a day, with its state on it. `key` names an obligation for ever.
create function obligations(p_on date) returns table (key text, rule text, organization text, campaign_id uuid, title text, due_on date, met_on date, state text)
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
             select (published_at at time zone 'Asia/Shanghai')::date from disclosure where obligation = k.key) all_of
             where d <= p_on) m
    where k.begins_on <= p_on and k.due_on >= r.effective_from and (r.effective_to is null or k.due_on <= r.effective_to)
$$;
