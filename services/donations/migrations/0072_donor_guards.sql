-- What a look with fresh eyes found in the donor database and at the receipts.

-- A donor's records that the caller's unit may see; a merge by a unit above shows a unit below nothing more than it had.
create function party_family_seen(p_id uuid) returns setof uuid
language sql stable security definer set search_path = donations, pg_temp as $$
	select f from party_family(p_id) f join party p on p.id = f where current_kind() = 'staff' and in_my_organization(p.organization)
$$;

create or replace function party_subjects(p_id uuid) returns uuid[]
language sql stable security definer set search_path = donations, pg_temp as $$
	select array(select l.subject from party_link l where l.party_id in (select party_family_seen(p_id)))
	from party p where p.id = p_id and current_kind() = 'staff' and in_my_organization(p.organization)
$$;

create or replace function party_consents(p_id uuid) returns json
language sql volatile security definer set search_path = donations, pg_temp as $$
	select coalesce(json_agg(json_build_object('purpose', purpose, 'given', given, 'recorded_at', rfc3339(recorded_at)) order by purpose), '[]')
	from (select distinct on (purpose) purpose, given, recorded_at from donor_consent
	      where (party_id in (select party_family_seen(p_id)) or subject in (select l.subject from party_link l where l.party_id in (select party_family_seen(p_id))))
	        and exists (select from party_family_seen(p_id) f where f = p_id)
	      order by purpose, recorded_at desc, id desc) last
$$;

-- Only who has paid a gift to the party's own unit or below.
create or replace function party_link_to(p_id uuid, p_subject uuid) returns party
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party := party_take(p_id);
begin
	if not exists (select from gift g join campaign c on c.id = g.campaign_id where g.donor = p_subject and g.paid_at is not null
		and (c.organization = p.organization or starts_with(c.organization, p.organization || '/'))) then
		perform refuse('party_link_unknown', 'this account has given nothing to the unit');
	end if;
	insert into party_link (subject, party_id, linked_by) values (p_subject, p_id, current_subject());
	return p;
end $$;

create or replace function party_unmerge_from(p_id uuid, p_reason text) returns party
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party := party_take(p_id);
begin
	if p.merged_into is null then
		perform refuse('party_not_merged', 'it is merged into nothing');
	elsif not exists (select from party t where t.id = p.merged_into and in_my_organization(t.organization)) then
		perform refuse('party_family_elsewhere', 'a unit above merged it');
	end if;
	insert into party_unmerge (merge_id, reason, unmerged_by)
	select m.id, p_reason, current_subject() from party_merge m where m.party_id = p_id and not exists (select from party_unmerge u where u.merge_id = m.id);
	update party set merged_into = null where id = p_id returning * into p;
	return p;
end $$;
-- Erasure is of the donor, not of one record: all that was merged with it goes too, or nothing does.
create or replace function party_erase(p_id uuid) returns party
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party := party_take(p_id);
	v_family uuid[] := array(select party_family(p_id));
begin
	if exists (select from party where id = any(v_family) and not in_my_organization(organization)) then
		perform refuse('party_family_elsewhere', 'a record of the same donor is another unit''s');
	end if;
	delete from person_key k using party_link l join gift g on g.donor = l.subject join campaign c on c.id = g.campaign_id
	where l.party_id = any(v_family) and k.key_id = g.key_id and in_my_organization(c.organization);
	delete from party_link where party_id = any(v_family);
	delete from person_key where key_id in (select key_id from party where id = any(v_family));
	insert into outbox (type, subject, payload)
	select 'party.erased', id::text, json_build_object('party_id', id, 'organization', organization) from party where id = any(v_family) and erased_at is null order by id;
	update party set name = null, phone = null, phone_index = null, alias = null, disclosure = 'NONE', erased_at = now(), erased_by = current_subject()
	where id = any(v_family) and erased_at is null;
	select * into p from party where id = p_id;
	return p;
end $$;

-- The first pause is longer than a call and the look after it may take.
create or replace function receipt_take_due(p_limit integer) returns table (kind text, request_no text, amount_fen bigint, amount_words text, payer_kind text, payer_uscc text,
	title bytea, wrapped_key bytea, item text, public_code text, original_code text, original_number text, reason text)
language sql security definer set search_path = donations, pg_temp as $$
	with asked as (
		update receipt r set attempts = r.attempts + 1, next_check_at = now() + least(interval '30 seconds' * power(2, least(r.attempts, 12)), interval '1 hour')
		where r.id = any(array(select d.id from receipt d where d.state = 'REQUESTED' and d.next_check_at <= now()
		                       order by d.next_check_at limit least(p_limit, 1000) for update skip locked))
		returning r.*
	), turned as (
		update receipt_reversal v set attempts = v.attempts + 1, next_check_at = now() + least(interval '30 seconds' * power(2, least(v.attempts, 12)), interval '1 hour')
		where v.receipt_id = any(array(select d.receipt_id from receipt_reversal d where d.state = 'REQUESTED' and d.next_check_at <= now()
		                               order by d.next_check_at limit least(p_limit, 1000) for update skip locked))
		returning v.*
	)
	select 'ISSUE', r.request_no, r.amount_fen, r.amount_words, r.payer_kind, r.payer_uscc, r.title, k.wrapped_key, c.title, r.public_code, null, null, null
	from asked r join campaign c on c.id = r.campaign_id left join person_key k using (key_id)
	union all
	select 'REVERSAL', v.request_no, r.amount_fen, r.amount_words, r.payer_kind, null, null, null, null, r.public_code, r.code, r.number, v.reason
	from turned v join receipt r on r.id = v.receipt_id
$$;
-- A number that comes for a receipt which was closed meanwhile is told: the platform has one too many.
create or replace function receipt_settle(p_request_no text, p_amount_fen bigint, p_code text, p_number text, p_check_code text, p_at timestamptz) returns text
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	r receipt;
	v_gift uuid := (select gift_id from receipt where request_no = p_request_no);
	v_event uuid;
begin
	perform from gift where id = v_gift for update;
	select * into r from receipt where request_no = p_request_no for update;
	if r.state = 'CLOSED' then
		raise warning 'receipt %: number % % came after it was closed; it must be turned back at the platform by hand', r.request_no, p_code, p_number;
	end if;
	if r.id is null or r.state not in ('REQUESTED', 'FAILED') then
		return r.state;
	elsif p_amount_fen <> r.amount_fen then
		raise warning 'receipt %: the platform says % fen, we asked for %', r.request_no, p_amount_fen, r.amount_fen;
		update receipt set last_error = 'AMOUNT_MISMATCH' where id = r.id;
		return r.state;
	end if;
	v_event := outbox_leaf('receipt.issued', r.id::text, json_build_object('receipt_id', r.id, 'gift_id', r.gift_id, 'organization', r.organization, 'amount_fen', r.amount_fen),
		'receipt.issued', r.public_code, p_at, json_build_object('campaign_id', r.campaign_id, 'code', p_code, 'number', p_number, 'amount_fen', r.amount_fen),
		json_build_object('payer', r.commitment), null, (select json_build_array(event_id) from entry_leaf where entry_id = r.gift_id));
	insert into receipt_number (code, number, receipt_id, kind) values (p_code, p_number, r.id, 'ISSUE');
	update receipt set state = 'ISSUED', code = p_code, number = p_number, check_code = p_check_code, issued_at = p_at, issued_event = v_event, last_error = null
	where id = r.id;
	perform receipt_fit(r.gift_id);
	return 'ISSUED';
end $$;
revoke execute on function party_family_seen from public;
