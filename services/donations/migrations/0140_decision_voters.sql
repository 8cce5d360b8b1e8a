-- Who votes is an active account of staff, of the unit whose money it is or of one above it. Accounts are identity's: the service asks
-- there and hands over what it was told (`{"items":[{"id":…,"organization":…}]}`); the minutes are recorded through this function only.
create function decision_record_checked(p_id uuid, p_disbursement uuid, p_number text, p_met_on date, p_document text, p_votes json, p_version text, p_accounts json)
	returns disbursement
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	d disbursement := decision_record(p_id, p_disbursement, p_number, p_met_on, p_document, p_votes, p_version);
begin
	if exists (select from json_array_elements(p_votes) v where not exists (
			select from json_array_elements(p_accounts -> 'items') a
			where (a ->> 'id')::uuid = (v ->> 'voter')::uuid
			and (d.organization = a ->> 'organization' or starts_with(d.organization, (a ->> 'organization') || '/')))) and d.id is not null then
		perform refuse('decision_voter_unknown', 'a voter is no active account of the unit or of one above it');
	end if;
	return d;
end $$;
revoke execute on function decision_record, decision_record_checked from public;
revoke execute on function decision_record from yg_donations;
grant execute on function decision_record_checked to yg_donations;
