-- The donor database (捐赠人数据库): who gives, as the unit knows him; which accounts are his; what he agreed to; and what he is owed: a
-- statement by year, and feedback on the use of his money (红十字会法 art. 21). The login role may read; every change is a function of the owner.

create table party (
	id uuid primary key,
	organization text not null,
	kind text not null constraint party_kind_known check (kind in ('PERSON', 'ORGANIZATION')),
	disclosure text not null constraint party_disclosure_known check (disclosure in ('NONE', 'ALIAS', 'NAME')),
	alias text,
	name bytea,
	phone bytea,
	phone_index text constraint party_phone_index_form check (phone_index ~ '^[0-9a-f]{64}$'),
	key_id uuid not null,
	merged_into uuid constraint party_merged_into references party (id),
	created_by uuid not null,
	created_at timestamptz not null default now(),
	erased_by uuid,
	erased_at timestamptz,
	constraint party_alias_given check (disclosure <> 'ALIAS' or alias is not null),
	constraint party_not_itself check (merged_into <> id),
	constraint party_phone_sealed check ((phone is null) = (phone_index is null)),
	constraint party_erased_whole check (case when erased_at is null then name is not null and erased_by is null
		else num_nonnulls(name, phone, phone_index, alias) = 0 and erased_by is not null end)
);
create index party_by_phone on party (phone_index) where phone_index is not null;
create index party_by_target on party (merged_into) where merged_into is not null;
create trigger party_kept before delete on party for each row execute function append_only();

-- An account of the platform that is this party's. One account is one party's; erasing the party takes the link away.
create table party_link (
	subject uuid constraint party_linked_once primary key,
	party_id uuid not null constraint party_link_party references party (id),
	linked_by uuid not null,
	linked_at timestamptz not null default now()
);
create index party_link_by_party on party_link (party_id);

-- Two records of one donor. Nothing is moved: what belongs to whom is followed when it is read, so undoing a merge restores exactly.
create table party_merge (
	id uuid primary key,
	party_id uuid not null constraint party_merge_party references party (id),
	into_id uuid not null constraint party_merge_into references party (id),
	reason text not null,
	merged_by uuid not null,
	merged_at timestamptz not null default now()
);
create index party_merge_by_party on party_merge (party_id);
create trigger party_merge_append_only before update or delete on party_merge for each row execute function append_only();
create table party_unmerge (
	merge_id uuid constraint party_unmerged_once primary key constraint party_unmerge_merge references party_merge (id),
	reason text not null,
	unmerged_by uuid not null,
	unmerged_at timestamptz not null default now()
);
create trigger party_unmerge_append_only before update or delete on party_unmerge for each row execute function append_only();

-- At commit: a party says it is merged exactly where its one merge that stands says so.
create function party_merge_whole() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	j json := to_json(new);
	v_party uuid := case tg_table_name when 'party' then (j ->> 'id')::uuid when 'party_merge' then (j ->> 'party_id')::uuid
		else (select party_id from party_merge where id = (j ->> 'merge_id')::uuid) end;
begin
	if array(select into_id from party_merge m where m.party_id = v_party and not exists (select from party_unmerge u where u.merge_id = m.id))
		is distinct from array(select merged_into from party where id = v_party and merged_into is not null) then
		perform refuse('party_merge_whole', 'the party and its merges do not fit together');
	end if;
	return null;
end $$;
create constraint trigger party_whole after insert or update on party deferrable initially deferred for each row execute function party_merge_whole();
create constraint trigger party_merge_whole after insert on party_merge deferrable initially deferred for each row execute function party_merge_whole();
create constraint trigger party_unmerge_whole after insert on party_unmerge deferrable initially deferred for each row execute function party_merge_whole();

-- All records of one donor, by any of them.
create function party_family(p_id uuid) returns setof uuid
language sql stable security definer set search_path = donations, pg_temp as $$
	with recursive up as (
		select id, merged_into from party where id = p_id
		union select p.id, p.merged_into from up join party p on p.id = up.merged_into
	), down as (
		select id from up where merged_into is null
		union select p.id from down join party p on p.merged_into = down.id
	)
	select id from down
$$;
-- Of these, what the caller's unit may see: a merge by a unit above shows a unit below nothing more than it had.
create function party_family_seen(p_id uuid) returns setof uuid
language sql stable security definer set search_path = donations, pg_temp as $$
	select f from party_family(p_id) f join party p on p.id = f where current_kind() = 'staff' and in_my_organization(p.organization)
$$;

-- The party, when it is of the caller's unit.
create function party_take(p_id uuid) returns party
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party;
begin
	perform pg_advisory_xact_lock(hashtext('donations.party'));
	select * into p from party where id = p_id and current_kind() = 'staff' and in_my_organization(organization) for update;
	if p.id is null then
		perform refuse('party_unknown', 'no such party of the unit');
	elsif p.erased_at is not null then
		perform refuse('party_erased', 'it was erased');
	end if;
	return p;
end $$;

create function party_register(p_id uuid, p_organization text, p_kind text, p_disclosure text, p_alias text, p_name bytea, p_phone bytea, p_phone_index text,
	p_key_id uuid, p_wrapped_key bytea) returns party
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party;
begin
	if current_kind() is distinct from 'staff' or not in_my_organization(coalesce(p_organization, current_setting('yg.organization', true))) then
		perform refuse('party_organization', 'not the caller''s unit');
	end if;
	insert into person_key (key_id, subject, wrapped_key) values (p_key_id, p_id, p_wrapped_key);
	insert into party (id, organization, kind, disclosure, alias, name, phone, phone_index, key_id, created_by)
	values (p_id, coalesce(p_organization, current_setting('yg.organization', true)), p_kind, p_disclosure, p_alias, p_name, p_phone, p_phone_index, p_key_id, current_subject())
	returning * into p;
	return p;
end $$;

-- Only who has paid a gift to the party's own unit or below: a link shows consents, and an erasure takes names.
create function party_link_to(p_id uuid, p_subject uuid) returns party
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

create function party_merge_into(p_new uuid, p_id uuid, p_into uuid, p_reason text) returns party
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party := party_take(p_id);
	t party := party_take(p_into);
begin
	if p.id = t.id or p.merged_into is not null or t.merged_into is not null then
		perform refuse('party_merge_standing', 'one of them is merged already');
	elsif p.kind <> t.kind then
		perform refuse('party_merge_kind', 'a person is no organization');
	end if;
	insert into party_merge (id, party_id, into_id, reason, merged_by) values (p_new, p_id, p_into, p_reason, current_subject());
	update party set merged_into = p_into where id = p_id returning * into p;
	return p;
end $$;

create function party_unmerge_from(p_id uuid, p_reason text) returns party
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

-- Of the donor, not of one record: all that was merged goes too, or nothing does. The person is unfindable afterwards: name, phone, alias, look-up and links go, and so do the keys of the names on his gifts to the
-- unit, and with them the salts. Amounts, totals and the public log stay as they are. Titles of receipts stay: accounts must be kept.
create function party_erase(p_id uuid) returns party
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

-- What a donor agreed to, each time he said so; the last word counts.
create table donor_consent (
	id uuid primary key,
	subject uuid,
	party_id uuid constraint donor_consent_party references party (id),
	purpose text not null constraint donor_consent_purpose_known check (purpose in ('FEEDBACK', 'NEWS', 'PHONE_CALL', 'RESEARCH')),
	given boolean not null,
	note text,
	recorded_by uuid not null,
	recorded_at timestamptz not null default clock_timestamp(),
	constraint donor_consent_whose check (num_nonnulls(subject, party_id) = 1)
);
create index donor_consent_by_subject on donor_consent (subject, id desc) where subject is not null;
create index donor_consent_by_party on donor_consent (party_id, id desc) where party_id is not null;
create trigger donor_consent_append_only before update or delete on donor_consent for each row execute function append_only();

create function donor_consent_record(p_id uuid, p_party uuid, p_purpose text, p_given boolean, p_note text) returns donor_consent
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	c donor_consent;
begin
	if p_party is not null then
		perform party_take(p_party);
	elsif current_kind() is distinct from 'citizen' then
		perform refuse('donor_consent_whose', 'whose consent?');
	end if;
	insert into donor_consent (id, subject, party_id, purpose, given, note, recorded_by)
	values (p_id, case when p_party is null then current_subject() end, p_party, p_purpose, p_given, p_note, current_subject()) returning * into c;
	return c;
end $$;

-- What the donor's consents say today: of all his records and accounts, the last word for each purpose.
create function party_consents(p_id uuid) returns json
language sql volatile security definer set search_path = donations, pg_temp as $$
	select coalesce(json_agg(json_build_object('purpose', purpose, 'given', given, 'recorded_at', rfc3339(recorded_at)) order by purpose), '[]')
	from (select distinct on (purpose) purpose, given, recorded_at from donor_consent
	      where (party_id in (select party_family_seen(p_id)) or subject in (select l.subject from party_link l where l.party_id in (select party_family_seen(p_id))))
	        and exists (select from party_family_seen(p_id) f where f = p_id)
	      order by purpose, recorded_at desc, id desc) last
$$;

-- ── the statement of a year ──
-- Of gifts that the caller may see (row policies hold): what came, what went back, for which campaigns; and the receipts that stand.
create function giving_statement(p_donors uuid[], p_year integer) returns table (gift_count bigint, amount_fen bigint, refunded_fen bigint, net_fen bigint, campaigns json, receipt_count bigint, receipts_fen bigint)
language sql stable as $$
	with mine as (
		select g.id, g.campaign_id, g.amount_fen, g.refunded_fen from gift g
		where g.donor = any(p_donors) and g.paid_at >= make_timestamptz(p_year, 1, 1, 0, 0, 0, 'Asia/Shanghai') and g.paid_at < make_timestamptz(p_year + 1, 1, 1, 0, 0, 0, 'Asia/Shanghai')
	), parts as (
		select m.campaign_id, c.title, count(*) as n, sum(m.amount_fen)::bigint as amount_fen, sum(m.refunded_fen)::bigint as refunded_fen
		from mine m left join campaign c on c.id = m.campaign_id group by 1, 2
	), papers as (
		select count(*) as n, coalesce(sum(r.amount_fen), 0)::bigint as fen from mine m join receipt r on r.gift_id = m.id where r.state = 'ISSUED'
	)
	select coalesce(sum(p.n), 0)::bigint, coalesce(sum(p.amount_fen), 0)::bigint, coalesce(sum(p.refunded_fen), 0)::bigint, coalesce(sum(p.amount_fen - p.refunded_fen), 0)::bigint,
		coalesce(json_agg(json_strip_nulls(json_build_object('campaign_id', p.campaign_id, 'title', p.title, 'gift_count', p.n, 'amount_fen', p.amount_fen, 'refunded_fen', p.refunded_fen))
			order by p.amount_fen desc, p.campaign_id) filter (where p.campaign_id is not null), '[]'),
		(select n from papers), (select fen from papers)
	from parts p
$$;

-- The accounts of a party and of all that is merged with it.
create function party_subjects(p_id uuid) returns uuid[]
language sql stable security definer set search_path = donations, pg_temp as $$
	select array(select l.subject from party_link l where l.party_id in (select party_family_seen(p_id)))
	from party p where p.id = p_id and current_kind() = 'staff' and in_my_organization(p.organization)
$$;

-- ── feedback on use ──
create table use_feedback (
	id uuid primary key,
	fund_id uuid not null constraint use_feedback_fund references fund (id),
	organization text not null,
	note text not null,
	document_sha256 text constraint use_feedback_document_form check (document_sha256 ~ '^[0-9a-f]{64}$'),
	sent_by uuid not null,
	sent_at timestamptz not null default now()
);
create index use_feedback_by_fund on use_feedback (fund_id, sent_at desc);
create trigger use_feedback_append_only before update or delete on use_feedback for each row execute function append_only();
create table use_feedback_item (
	disbursement_id uuid constraint use_feedback_once primary key constraint use_feedback_disbursement references disbursement (id),
	feedback_id uuid not null constraint use_feedback_item_of references use_feedback (id)
);
create index use_feedback_item_by_feedback on use_feedback_item (feedback_id);
create trigger use_feedback_item_append_only before update or delete on use_feedback_item for each row execute function append_only();

-- Everything that the fund has paid and that its donors were not told yet. p_uses: how many uses the caller has seen, so that none is
-- marked as told that came in between.
create function use_feedback_send(p_id uuid, p_fund text, p_uses integer, p_note text, p_document text) returns use_feedback
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund;
	u use_feedback;
	v_uses integer;
begin
	select * into f from fund where code = p_fund and current_kind() = 'staff' and in_my_organization(organization);
	if f.id is null then
		perform refuse('use_feedback_fund', 'no such fund of the unit');
	end if;
	perform pg_advisory_xact_lock(hashtext('donations.use_feedback'), hashtext(f.code));
	insert into use_feedback (id, fund_id, organization, note, document_sha256, sent_by) values (p_id, f.id, f.organization, p_note, p_document, current_subject()) returning * into u;
	insert into use_feedback_item (disbursement_id, feedback_id)
	select d.id, p_id from disbursement d where d.fund_id = f.id and d.state in ('PAID', 'ACKNOWLEDGED') and not exists (select from use_feedback_item i where i.disbursement_id = d.id);
	get diagnostics v_uses = row_count;
	if v_uses = 0 then
		perform refuse('use_feedback_nothing', 'nothing new was paid');
	elsif v_uses <> p_uses then
		perform refuse('use_feedback_uses', format('%s uses, not %s', v_uses, p_uses));
	end if;
	insert into outbox (type, subject, payload) values ('feedback.sent', p_id::text, json_build_object('feedback_id', p_id, 'fund', f.code, 'organization', f.organization, 'uses', v_uses));
	return u;
end $$;

alter table party enable row level security;
create policy party_staff on party for select using (current_kind() = 'staff' and in_my_organization(organization));
alter table party_link enable row level security;
create policy party_link_staff on party_link for select using (current_kind() = 'staff' and exists (select from party p where p.id = party_id));
alter table party_merge enable row level security;
create policy party_merge_staff on party_merge for select using (current_kind() = 'staff' and exists (select from party p where p.id = party_id));
alter table party_unmerge enable row level security;
create policy party_unmerge_staff on party_unmerge for select using (current_kind() = 'staff' and exists (select from party_merge m where m.id = merge_id));
alter table donor_consent enable row level security;
create policy donor_consent_own on donor_consent for select using (current_kind() = 'citizen' and subject = current_subject());
create policy donor_consent_staff on donor_consent for select using (current_kind() = 'staff' and exists (select from party p where p.id = party_id));
alter table use_feedback enable row level security;
create policy use_feedback_staff on use_feedback for select using (current_kind() = 'staff' and in_my_organization(organization));
alter table use_feedback_item enable row level security;
create policy use_feedback_item_staff on use_feedback_item for select using (current_kind() = 'staff' and exists (select from use_feedback f where f.id = feedback_id));

-- The key of a party's name and phone, for staff of its unit.
create function party_key(p_id uuid) returns bytea
language sql stable security definer set search_path = donations, pg_temp as $$
	select k.wrapped_key from party p join person_key k using (key_id) where p.id = p_id and current_kind() = 'staff' and in_my_organization(p.organization)
$$;

grant select on party, party_link, party_merge, party_unmerge, donor_consent, use_feedback, use_feedback_item to yg_donations;
revoke execute on function party_merge_whole, party_family, party_family_seen, party_take, party_register, party_link_to, party_merge_into, party_unmerge_from, party_erase, donor_consent_record,
	party_consents, giving_statement, party_subjects, use_feedback_send, party_key from public;
grant execute on function party_register, party_link_to, party_merge_into, party_unmerge_from, party_erase, donor_consent_record, party_consents, giving_statement, party_subjects,
	use_feedback_send, party_key to yg_donations;
