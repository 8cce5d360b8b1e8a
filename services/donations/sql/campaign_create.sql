-- shape: one
-- tx: write
-- Always a draft, of the caller's unit unless one below it is named.
insert into campaign (id, organization, title, summary, contact_phone, purpose, starts_on, ends_on, area, person_in_charge, office_address,
    how_to_give, bank_holder, bank_name, bank_account, beneficiaries, use_plan, cost_cap_fen, surplus_rule, surplus_fund, certificate_no, platform_url,
    emergency_late, goal_fen, min_gift_fen, max_gift_fen, updated_by)
select :new.id::uuid, coalesce(b.organization, :identity.organization::text), b.title, b.summary, b.contact_phone, b.purpose, b.starts_on, b.ends_on,
    b.area, b.person_in_charge, b.office_address, b.how_to_give, b.bank_holder, b.bank_name, b.bank_account, b.beneficiaries, b.use_plan,
    b.cost_cap_fen, b.surplus_rule, b.surplus_fund, b.certificate_no, b.platform_url, coalesce(b.emergency_late, false), b.goal_fen,
    coalesce(b.min_gift_fen, 100), coalesce(b.max_gift_fen, 500000000), :identity.subject::uuid
from json_populate_record(null::campaign, :body::json) b
returning id, organization, title, state, version, created_at, '/v1/managed-campaigns/' || id as "!location", version::text as "!etag"
