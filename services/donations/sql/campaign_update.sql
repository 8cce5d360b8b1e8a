-- shape: one
-- tx: write
-- Merge patch: members that are there, null too, replace; the rest stays. What was filed is frozen by the schema.
with c as (
    select id, version, min_gift_fen, max_gift_fen, o as was from campaign o where id = :path.id::uuid and in_my_organization(organization) for update
), done as (
    update campaign t
    set title = b.title, summary = b.summary, contact_phone = b.contact_phone, purpose = b.purpose, starts_on = b.starts_on,
        ends_on = b.ends_on, area = b.area, person_in_charge = b.person_in_charge, office_address = b.office_address,
        how_to_give = b.how_to_give, bank_holder = b.bank_holder, bank_name = b.bank_name, bank_account = b.bank_account,
        beneficiaries = b.beneficiaries, use_plan = b.use_plan, cost_cap_fen = b.cost_cap_fen, surplus_rule = b.surplus_rule, surplus_fund = b.surplus_fund,
        certificate_no = b.certificate_no, platform_url = b.platform_url, emergency_late = b.emergency_late, goal_fen = b.goal_fen,
        min_gift_fen = coalesce(b.min_gift_fen, c.min_gift_fen), max_gift_fen = coalesce(b.max_gift_fen, c.max_gift_fen),
        updated_by = :identity.subject::uuid
    from c, json_populate_record(c.was, :body::json) b
    where t.id = c.id and split_part(:header.if_match::text, '.', 1) in (c.version::text, '*')
    returning t.id, t.title, t.state, t.version, t.updated_at
)
select case when done.id is null then 'precondition-failed' end as "!problem",
       c.id, done.title, done.state, done.version, done.updated_at, done.version::text as "!etag"
from c left join done on true
