-- The donor database: a record may be changed and a link taken away; one account is one donor's for each unit, not over all of them; who is
-- there already is found before he is registered twice; and erasure takes the free text too.

alter table party add column version integer not null default 1;

-- ── links: one per account and unit ──
alter table party_link add column organization text;
update party_link l set organization = p.organization from party p where p.id = l.party_id;
alter table party_link alter column organization set not null, drop constraint party_linked_once,
	add constraint party_linked_once primary key (subject, organization);
create or replace function party_link_to(p_id uuid, p_subject uuid) returns party
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party := party_take(p_id);
begin
	if not exists (select from gift g join campaign c on c.id = g.campaign_id where g.donor = p_subject and g.paid_at is not null
		and (c.organization = p.organization or starts_with(c.organization, p.organization || '/'))) then
		perform refuse('party_link_unknown', 'this account has given nothing to the unit');
	end if;
	insert into party_link (subject, party_id, organization, linked_by) values (p_subject, p_id, p.organization, current_subject());
	return p;
end $$;
-- That it was done is told, not whose account it was.
create function party_unlink_from(p_id uuid, p_subject uuid) returns void
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party := party_take(p_id);
begin
	delete from party_link where party_id = p_id and subject = p_subject;
	if not found then
		perform refuse('party_link_missing', 'the account is not linked');
	end if;
	insert into outbox (type, subject, payload) values ('party.unlinked', p_id::text, json_build_object('party_id', p_id, 'organization', p.organization, 'by', current_subject()));
end $$;

-- ── who is there already ──
-- Of the same unit and phone; of merged records the one they lead to. Under the lock that all changes of parties take.
create function party_known(p_organization text, p_phone_index text) returns uuid
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_unit text := coalesce(p_organization, current_setting('yg.organization', true));
	v_id uuid;
begin
	if p_phone_index is null or current_kind() is distinct from 'staff' or not in_my_organization(v_unit) then
		return null;
	end if;
	perform pg_advisory_xact_lock(hashtext('donations.party'));
	select id into v_id from party where phone_index = p_phone_index and organization = v_unit order by (merged_into is null) desc, created_at, id limit 1;
	return coalesce((select f.f from party_family_seen(v_id) f join party p on p.id = f.f and p.merged_into is null), v_id);
end $$;

-- ── changes ──
-- Everything of the record comes sealed anew, under a key of its own; the old key goes. Null: another version than the caller read, or than
-- was opened a moment ago.
create function party_change(p_id uuid, p_read text, p_opened integer, p_disclosure text, p_alias text, p_name bytea, p_phone bytea, p_phone_index text, p_key_id uuid,
	p_wrapped_key bytea) returns party
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p party := party_take(p_id);
	v_key uuid := p.key_id;
begin
	if p_read is null or p_read not in (p.version::text, '*') or p_opened is distinct from p.version then
		return null;
	end if;
	insert into person_key (key_id, subject, wrapped_key) values (p_key_id, p_id, p_wrapped_key);
	update party set disclosure = p_disclosure, alias = p_alias, name = p_name, phone = p_phone, phone_index = p_phone_index, key_id = p_key_id, version = version + 1
	where id = p_id returning * into p;
	delete from person_key where key_id = v_key;
	return p;
end $$;

-- ── free text goes with the person ──
alter table party_merge alter column reason drop not null;
alter table party_unmerge alter column reason drop not null;
create function party_text_kept() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	o jsonb := to_jsonb(old);
	n jsonb := to_jsonb(new);
	v_text text := case tg_table_name when 'donor_consent' then 'note' else 'reason' end;
	v_parties uuid[] := case tg_table_name when 'donor_consent' then array[(o ->> 'party_id')::uuid]
		else (select array[m.party_id, m.into_id] from party_merge m where m.id = coalesce(o ->> 'merge_id', o ->> 'id')::uuid) end;
begin
	if tg_op = 'UPDATE' and n ->> v_text is null and n - v_text = o - v_text and exists (select from party where id = any(v_parties) and erased_at is not null) then
		return new;
	end if;
	perform refuse('append_only', format('%s is append-only; only erasure takes its words', tg_table_name));
	return null;
end $$;
drop trigger party_merge_append_only on party_merge;
create trigger party_merge_append_only before update or delete on party_merge for each row execute function party_text_kept();
drop trigger party_unmerge_append_only on party_unmerge;
create trigger party_unmerge_append_only before update or delete on party_unmerge for each row execute function party_text_kept();
drop trigger donor_consent_append_only on donor_consent;
create trigger donor_consent_append_only before update or delete on donor_consent for each row execute function party_text_kept();

create function party_words_gone() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	update donor_consent set note = null where party_id = new.id and note is not null;
	-- words about two are about either
	update party_unmerge u set reason = null from party_merge m where m.id = u.merge_id and new.id in (m.party_id, m.into_id) and u.reason is not null;
	update party_merge set reason = null where new.id in (party_id, into_id) and reason is not null;
	return null;
end $$;
create trigger party_words_gone after update on party for each row when (old.erased_at is null and new.erased_at is not null) execute function party_words_gone();
-- Records that were erased before.
update donor_consent c set note = null from party p where p.id = c.party_id and p.erased_at is not null and c.note is not null;
update party_unmerge u set reason = null from party_merge m join party p on p.id in (m.party_id, m.into_id) where m.id = u.merge_id and p.erased_at is not null and u.reason is not null;
update party_merge m set reason = null from party p where p.id in (m.party_id, m.into_id) and p.erased_at is not null and m.reason is not null;

-- ── feedback ──
-- Which payments of the fund its donors were not told of yet: a digest of their numbers, so that a feedback names them and no other that came
-- or went meanwhile can stand in for one.
create function use_feedback_due(p_fund uuid) returns table (uses bigint, amount_fen bigint, since timestamptz, seen text)
language sql volatile security definer set search_path = donations, pg_temp as $$
	select count(*), sum(d.amount_fen)::bigint, min(d.paid_at), encode(sha256(convert_to(string_agg(d.number, ' ' order by d.number collate "C"), 'UTF8')), 'hex')
	from disbursement d where d.fund_id = p_fund and d.state in ('PAID', 'ACKNOWLEDGED') and not exists (select from use_feedback_item i where i.disbursement_id = d.id)
$$;
drop function use_feedback_send;
create function use_feedback_send(p_id uuid, p_fund text, p_uses integer, p_seen text, p_note text, p_document text) returns use_feedback
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fund;
	u use_feedback;
	v record;
	v_told text;
begin
	select * into f from fund where code = p_fund and current_kind() = 'staff' and in_my_organization(organization);
	if f.id is null then
		perform refuse('use_feedback_fund', 'no such fund of the unit');
	end if;
	perform pg_advisory_xact_lock(hashtext('donations.use_feedback'), hashtext(f.code));
	select * into v from use_feedback_due(f.id);
	if v.uses = 0 then
		perform refuse('use_feedback_nothing', 'nothing new was paid');
	end if;
	insert into use_feedback (id, fund_id, organization, note, document_sha256, sent_by) values (p_id, f.id, f.organization, p_note, p_document, current_subject()) returning * into u;
	with told as (
		insert into use_feedback_item (disbursement_id, feedback_id)
		select d.id, p_id from disbursement d where d.fund_id = f.id and d.state in ('PAID', 'ACKNOWLEDGED') and not exists (select from use_feedback_item i where i.disbursement_id = d.id)
		returning disbursement_id
	)
	select encode(sha256(convert_to(string_agg(d.number, ' ' order by d.number collate "C"), 'UTF8')), 'hex') into v_told from told t join disbursement d on d.id = t.disbursement_id;
	if v.uses is distinct from p_uses or v_told is distinct from p_seen then
		perform refuse('use_feedback_uses', format('%s uses, not %s, or others', v.uses, p_uses));
	end if;
	insert into outbox (type, subject, payload) values ('feedback.sent', p_id::text, json_build_object('feedback_id', p_id, 'fund', f.code, 'organization', f.organization, 'uses', v.uses));
	return u;
end $$;

revoke execute on function party_unlink_from, party_known, party_change, party_text_kept, party_words_gone, use_feedback_due, use_feedback_send from public;
grant execute on function party_unlink_from, party_known, party_change, use_feedback_send to yg_donations;
