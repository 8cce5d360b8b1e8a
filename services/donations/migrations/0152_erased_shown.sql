-- An erased donor is unfindable in what everybody sees too. He chose what stands beside his gifts (an alias, his masked name, a message), on
-- his personal pages and on his letters of goods: free words that may well name him, and exports carry them on. They go with him. Amounts,
-- days, public codes and the log stay as they are: no leaf ever had these words.

-- What is put in their place, and nothing else, may be written over what was submitted.
create or replace function page_before_update() returns trigger
language plpgsql as $$
begin
	if (new.id, new.code, new.campaign_id, new.organization, new.owner, new.failure_rule, new.created_at)
		is distinct from (old.id, old.code, old.campaign_id, old.organization, old.owner, old.failure_rule, old.created_at)
		or (old.state <> 'DRAFT' and (new.organizer, new.title, new.story, new.goal_fen, new.ends_on)
		is distinct from (old.organizer, old.title, old.story, old.goal_fen, old.ends_on)
		and (new.organizer, new.title, new.story, new.goal_fen, new.ends_on) is distinct from ('匿名', '个人募捐页面', '发起人的信息已删除', old.goal_fen, old.ends_on)) then
		perform refuse('page_fixed', 'what was submitted does not change');
	end if;
	if new.state <> old.state and (old.state, new.state) not in (('DRAFT', 'SUBMITTED'), ('SUBMITTED', 'OPEN'), ('SUBMITTED', 'REFUSED'), ('OPEN', 'CLOSED')) then
		perform refuse('page_transition', format('%s to %s', old.state, new.state));
	end if;
	new.version := old.version + 1;
	new.updated_at := now();
	return new;
end $$;
create or replace function inkind_before_update() returns trigger
language plpgsql as $$
begin
	if new.donor_name is null and new.wish is null and to_jsonb(new) - array['donor_name', 'wish'] = to_jsonb(old) - array['donor_name', 'wish'] then
		return new; -- its donor was erased
	end if;
	if (new.id, new.public_code, new.organization, new.campaign_id, new.donor, new.registered_by, new.donor_kind, new.donor_name, new.beneficiary, new.offered_at)
		is distinct from (old.id, old.public_code, old.organization, old.campaign_id, old.donor, old.registered_by, old.donor_kind, old.donor_name, old.beneficiary, old.offered_at) then
		perform refuse('inkind_fixed', 'what was offered, by whom and to whom never changes');
	end if;
	if (old.state, new.state) not in (('OFFERED', 'ACCEPTED'), ('OFFERED', 'REJECTED'), ('OFFERED', 'WITHDRAWN'), ('ACCEPTED', 'COUNTED'),
		('ACCEPTED', 'REJECTED'), ('ACCEPTED', 'WITHDRAWN'), ('COUNTED', 'RECEIVED'), ('COUNTED', 'REJECTED')) then
		perform refuse('inkind_transition', format('%s to %s', old.state, new.state));
	end if;
	return new;
end $$;

-- Of the accounts that are his, as far as the unit and those below it go: what they showed of him.
create function shown_forget(p_subjects uuid[]) returns void
language plpgsql security definer set search_path from current as $$
declare
	v_page page;
	v_open boolean;
	v_codes text[] := array(select g.public_code from gift g join campaign c on c.id = g.campaign_id
		where g.donor = any(p_subjects) and (g.shown_name is not null or g.message is not null) and in_my_organization(c.organization));
begin
	update gift g set shown_name = case when disclosure <> 'ANONYMOUS' then '爱心人士' end, message = null where g.donor = any(p_subjects) and g.public_code = any(v_codes);
	perform from gift_public where public_code = any(v_codes) order by paid_at, public_code for update; -- in the order of those who use gifts
	update gift_public set shown_name = null, message = null where public_code = any(v_codes);
	update plan p set shown_name = '爱心人士' from campaign c
	where p.donor = any(p_subjects) and c.id = p.campaign_id and in_my_organization(c.organization) and p.disclosure = 'ALIAS';
	for v_page in select * from page where owner = any(p_subjects) and in_my_organization(organization) and story <> '发起人的信息已删除' order by id for update loop
		-- a page without its founder's words asks for nothing any more
		v_open := v_page.state = 'OPEN';
		update page set organizer = '匿名', title = '个人募捐页面', story = '发起人的信息已删除', state = case when v_open then 'CLOSED' else state end,
			closed_at = case when v_open then now() else closed_at end, close_reason = case when v_open then 'ERASED' else close_reason end
		where id = v_page.id returning * into v_page;
		if v_open then
			perform page_tell(v_page, 'closed');
		end if;
	end loop;
	update inkind_gift set donor_name = null, wish = null where donor = any(p_subjects) and in_my_organization(organization) and num_nonnulls(donor_name, wish) > 0;
end $$;
create or replace function party_erase(p_id uuid) returns party
language plpgsql security definer set search_path from current as $$
declare
	p party := party_take(p_id);
	v_family uuid[] := array(select party_family(p_id));
begin
	if exists (select from party where id = any(v_family) and not in_my_organization(organization)) then
		perform refuse('party_family_elsewhere', 'a record of the same donor is another unit''s');
	end if;
	perform shown_forget(array(select distinct subject from party_link where party_id = any(v_family)));
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
revoke execute on function shown_forget from public;
