-- shape: one
-- tx: read
-- As staff of the unit see it: drafts too.
select c.id, c.organization, c.title, c.summary, c.state, c.purpose, c.starts_on, c.ends_on, c.area, c.person_in_charge, c.office_address,
       c.contact_phone, c.how_to_give, c.bank_holder, c.bank_name, c.bank_account, c.beneficiaries, c.use_plan, c.cost_cap_fen,
       c.surplus_rule, c.surplus_fund, c.certificate_no, c.platform_url, c.filing_no, c.filed_on, c.emergency_late,
       c.goal_fen, c.min_gift_fen, c.max_gift_fen, c.opened_at, c.closed_at, c.close_reason, c.reported_at, c.report, c.report_url,
       c.version, c.created_at, c.updated_at, c.version::text as "!etag"
from campaign c
where c.id = :path.id::uuid and in_my_organization(c.organization) and c.fund_code is null
