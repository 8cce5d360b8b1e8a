-- Where each rule stands, looked up in the texts: the Charity Law as amended in 2023 (in force since 2024-09-05) and the Red Cross Law of
-- 2017, article by article. Article 19 of the latter puts a Red Cross's fund-raising under the former; articles 22 and 23 are the Red
-- Cross's own duties to publish. Of order 81 (in force since 2026-01-01) only articles 7 and 12 to 16 were found; that it names 31 May
-- is said by the ministry's announcement, its article is not known here, and none is named. A code may therefore have several rules, each
-- of its own days; an obligation has the rule that is in force on the day it is due.
alter table disclosure_rule drop constraint disclosure_rule_pkey;
alter table disclosure_rule add constraint disclosure_rule_pkey primary key (code, effective_from);

update disclosure_rule set article = '红十字会法（2017年修订）第十九条；慈善法（2023年修正）第二十四条；慈善组织公开募捐管理办法（民政部令第74号）第十一条' where code = 'filing';
update disclosure_rule set article = '红十字会法（2017年修订）第十九条；慈善法（2023年修正）第七十三条',
    text_zh = '应对重大突发事件、无法事先备案的，应当在活动开始后十日内补办备案',
    text_en = 'In a major emergency, where filing before was impossible, file within ten days after the start' where code = 'emergency-filing';
update disclosure_rule set article = '红十字会法（2017年修订）第十九条、第二十三条；慈善法（2023年修正）第七十九条第二款',
    text_zh = '公开募捐周期超过六个月的，至少每三个月公开一次募捐情况' where code = 'progress';
update disclosure_rule set article = '红十字会法（2017年修订）第十九条、第二十三条；慈善法（2023年修正）第七十九条第二款',
    text_zh = '公开募捐活动结束后三个月内全面、详细公开募捐情况',
    text_en = 'Publish everything, in full and in detail, within three months after the end' where code = 'final';
update disclosure_rule set article = '慈善法（2023年修正）第七十八条第二款；红十字会法（2017年修订）第二十二条、第二十三条（未规定日期，本平台按五月三十一日计）',
    text_zh = '每年公开上一年度工作报告和财务会计报告，财务会计报告须经审计',
    text_en = 'Publish the work report and the audited financial report of the year before, every year (the law names no day; this platform counts to 31 May)' where code = 'annual';

-- From 2026 on order 81 stands beside the law.
insert into disclosure_rule (code, text_zh, text_en, article, effective_from, span)
select code, text_zh || '，并公开对合作方的评估和指导监督情况', text_en || ', with how partners were assessed and supervised',
       article || '；慈善组织信息公开办法（民政部令第81号）第七条', '2026-01-01', span
from disclosure_rule where code = 'final';
insert into disclosure_rule (code, text_zh, text_en, article, effective_from, span)
select code, '每年五月三十一日前在统一平台公开上一年度工作报告和财务会计报告，财务会计报告须经审计',
       'Publish the work report and the audited financial report of the year before by 31 May, on the unified platform',
       '慈善法（2023年修正）第七十八条第二款；红十字会法（2017年修订）第二十二条、第二十三条；慈善组织信息公开办法（民政部令第81号）', '2026-01-01', span
from disclosure_rule where code = 'annual';
update disclosure_rule set effective_to = '2025-12-31' where code in ('final', 'annual') and effective_from < '2026-01-01';

-- As before (0004), but each obligation is made by one row of the rules and kept when that row is in force on its day.
create or replace function obligations(p_on date) returns table (key text, rule text, organization text, campaign_id uuid, title text, due_on date, met_on date, state text)
language sql stable set search_path from current as $$
    with found as (
        select r.effective_from, r.effective_to, 'filing:' || c.id, r.code, c.organization, c.id, c.title,
               (c.starts_on + r.span)::date, c.filed_on, (c.starts_on + r.span)::date - 30
        from disclosed_campaign c join disclosure_rule r on r.code = case when c.emergency_late then 'emergency-filing' else 'filing' end
        union all
        select r.effective_from, r.effective_to, 'progress:' || c.id || ':' || n, r.code, c.organization, c.id, c.title,
               (c.starts_on + n * r.span)::date, null::date, (c.starts_on + (n - 1) * r.span)::date
        from disclosed_campaign c join disclosure_rule r on r.code = 'progress', generate_series(1, 400) n
        where least(coalesce(c.closed_on, c.ends_on), c.ends_on) > (c.starts_on + interval '6 months')::date
          and (c.starts_on + n * r.span)::date <= least(coalesce(c.closed_on, c.ends_on), c.ends_on)
        union all
        select r.effective_from, r.effective_to, 'final:' || c.id, r.code, c.organization, c.id, c.title,
               (least(coalesce(c.closed_on, c.ends_on), c.ends_on) + r.span)::date, c.reported_on,
               least(coalesce(c.closed_on, c.ends_on), c.ends_on)
        from disclosed_campaign c join disclosure_rule r on r.code = 'final'
        union all
        select r.effective_from, r.effective_to, 'matter:' || m.id, r.code, m.organization, null, m.title, (m.happened_on + r.span)::date, null, m.happened_on
        from disclosure_matter m join disclosure_rule r on r.code = 'matter'
        union all
        select r.effective_from, r.effective_to, 'annual:' || o.organization || ':' || y, r.code, o.organization, null, y || ' 年度工作报告',
               make_date(y + 1, 5, 31), null, make_date(y + 1, 1, 1)
        from (select distinct split_part(organization, '/', 1) as organization from disclosed_campaign) o,
             disclosure_rule r, generate_series(extract(year from r.effective_from)::int - 1, extract(year from p_on)::int - 1) y
        where r.code = 'annual'
    ), known (effective_from, effective_to, key, rule, organization, campaign_id, title, due_on, met_on, begins_on) as (select * from found)
    select k.key, k.rule, k.organization, k.campaign_id, k.title, k.due_on, m.met_on,
           case when m.met_on is not null then 'MET' when k.due_on < p_on then 'OVERDUE' else 'DUE' end
    from known k,
         lateral (select min(d) as met_on from (
             select k.met_on as d
             union all
             select (published_at at time zone 'Asia/Shanghai')::date from disclosure d where d.obligation = k.key and disclosure_meets_for(d.organization, k.organization)) all_of
             where d <= p_on) m
    where k.begins_on <= p_on and k.due_on >= k.effective_from and (k.effective_to is null or k.due_on <= k.effective_to)
$$;
