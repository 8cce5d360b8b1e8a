-- Who may touch what: the login role gets the least that the statements of sql/ need; rows by policy.

-- What a claim made, for retries of a gift that was never answered.
alter table idempotency add column out_trade_no text;

-- Campaigns: drafts are seen and changed by staff of the unit and above.
alter table campaign enable row level security;
create policy campaign_public on campaign for select using (state <> 'DRAFT');
create policy campaign_staff_read on campaign for select using (current_kind() = 'staff' and in_my_organization(organization));
create policy campaign_staff_insert on campaign for insert with check (current_kind() = 'staff' and in_my_organization(organization));
create policy campaign_staff_update on campaign for update using (current_kind() = 'staff' and in_my_organization(organization));
grant select on campaign to yg_donations;
grant insert (id, organization, title, summary, contact_phone, purpose, starts_on, ends_on, area, person_in_charge, office_address,
	how_to_give, bank_holder, bank_name, bank_account, beneficiaries, use_plan, cost_cap_fen, surplus_rule, certificate_no,
	platform_url, emergency_late, goal_fen, min_gift_fen, max_gift_fen, updated_by) on campaign to yg_donations;
grant update (title, summary, contact_phone, purpose, starts_on, ends_on, area, person_in_charge, office_address,
	how_to_give, bank_holder, bank_name, bank_account, beneficiaries, use_plan, cost_cap_fen, surplus_rule, certificate_no,
	platform_url, filing_no, filed_on, emergency_late, goal_fen, min_gift_fen, max_gift_fen, state, updated_by, close_reason,
	report, report_url) on campaign to yg_donations;
grant select on campaign_event to yg_donations;

-- Gifts: a donor sees his own, staff those of their campaigns; a new one is always PENDING (no grant on the other columns).
alter table gift enable row level security;
create policy gift_insert on gift for insert with check (true);
create policy gift_own on gift for select using (current_kind() = 'citizen' and donor = current_subject());
create policy gift_staff on gift for select using (current_kind() = 'staff'
	and campaign_id in (select c.id from campaign c where in_my_organization(c.organization)));
grant select on gift to yg_donations;
grant insert (id, public_code, campaign_id, donor, amount_fen, channel, disclosure, shown_name, message, real_name, key_id) on gift to yg_donations;
alter table person_key enable row level security;
create policy person_key_insert on person_key for insert with check (true);
create policy person_key_own on person_key for select using (current_kind() = 'citizen' and subject = current_subject());
grant select, insert (key_id, subject, wrapped_key) on person_key to yg_donations;

-- What anyone may see.
grant select on gift_public, campaign_total, fold_state, campaign_money, campaign_taking_gifts to yg_donations;

-- Orders, refunds, entries: read, and written through the functions only. A new order is always CREATED.
grant select on pay_order, refund, money_entry, payment_notification, payment_exception, money_disagreement to yg_donations;
grant insert (out_trade_no, gift_id, campaign_id, amount_fen, channel, expires_at, next_check_at) on pay_order to yg_donations;
alter table refund enable row level security;
create policy refund_own on refund for select using (current_kind() = 'citizen'
	and exists (select from gift g where g.id = gift_id and g.donor = current_subject()));
create policy refund_staff on refund for select using (current_kind() = 'staff'
	and exists (select from gift g where g.id = gift_id));

revoke execute on all functions in schema donations from public;
grant execute on function refuse, append_only, gift_before_update, pay_order_before_update, current_subject, current_kind, in_my_organization, uuid7_floor, rfc3339, gift_partitions_ensure,
	campaign_before_insert, campaign_before_update, payment_settle, payment_notification_store, order_placed, order_close,
	order_take_due, refund_request, refund_settle, refund_take_due, refund_note_error, totals_fold to yg_donations;
