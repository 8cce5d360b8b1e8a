-- shape: one
-- tx: read
-- The tag changes with the campaign and with its money; If-Match looks at the part before the dot.
select c.id, c.organization, c.title, c.summary, c.state, c.purpose, c.starts_on, c.ends_on, c.area, c.person_in_charge, c.office_address,
       c.contact_phone, c.how_to_give, c.bank_holder, c.bank_name, c.bank_account, c.beneficiaries, c.use_plan, c.cost_cap_fen,
       c.surplus_rule, c.surplus_fund, c.certificate_no, c.platform_url, c.filing_no, c.filed_on, c.emergency_late,
       c.goal_fen, c.min_gift_fen, c.max_gift_fen, c.opened_at, c.closed_at, c.close_reason, c.reported_at, c.report, c.report_url,
       c.version, c.created_at, c.updated_at,
       coalesce(m.payment_fen, 0) as "total.received_fen", coalesce(m.refund_fen, 0) as "total.refunded_fen",
       coalesce(m.payment_fen - m.refund_fen, 0) as "total.net_fen", coalesce(m.payment_count, 0) as "total.gift_count",
       now() as "total.as_of", log_size() as "total.log_size",
       c.version || '.' || (coalesce(m.payment_count, 0) + coalesce(m.refund_count, 0)) as "!etag"
from campaign c left join campaign_money m on m.campaign_id = c.id
where c.id = :path.id::uuid and c.state <> 'DRAFT' and c.fund_code is null
