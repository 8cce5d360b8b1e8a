-- What a public record of a disbursement must not let through.

-- Somebody in need is named by region and case only: it goes into the public log, where nothing can be taken back.
alter table disbursement add constraint disbursement_case_anonymous
	check (payee_kind <> 'CASE' or payee ~ '^[^·]{2,40}·个案 ?[0-9A-Za-z-]{1,20}$');

-- Costs only where a cap was filed.
create function disbursement_cost_guard() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if (select c.cost_cap_fen from fund f join campaign c on c.id = f.campaign_id where f.id = new.fund_id) is null then
		perform refuse('disbursement_cost_cap', 'no cap of costs was filed');
	end if;
	return new;
end $$;
create trigger disbursement_cost_guard before update on disbursement
	for each row when (new.payee_kind = 'COST' and new.state = 'APPROVED' and old.state <> 'APPROVED') execute function disbursement_cost_guard();
revoke execute on function disbursement_cost_guard from public;

create index gift_use_by_disbursement on gift_use (disbursement_id, seq);
