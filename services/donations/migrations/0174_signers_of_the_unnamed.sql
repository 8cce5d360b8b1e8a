-- Who gives without a name signs the count of his letter all the same. His signature was forgotten when the letter's name was taken away;
-- a letter that showed none was not touched, and one that showed only a wish was, but its signer stayed. Now each of his letters is taken up
-- when he is erased, whatever it shows.
drop trigger inkind_signer_forget on inkind_gift;
create trigger inkind_signer_forget after update of donor_name on inkind_gift -- only erasure writes it
	for each row when (new.donor_kind = 'PERSON' and new.donor_name is null) execute function inkind_signer_forget();

create or replace function party_letters_forget() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	update inkind_gift g set donor_name = null, wish = null from party_letter l where l.party_id = new.id and g.id = l.inkind_gift_id;
	delete from party_letter where party_id = new.id;
	return null;
end $$;

create or replace function shown_forget(p_subjects uuid[]) returns void
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
	update inkind_gift set donor_name = null, wish = null where donor = any(p_subjects) and in_my_organization(organization);
end $$;
