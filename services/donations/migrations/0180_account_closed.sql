-- When somebody closes his account (identity tells citizen.closed), donations forgets him everywhere: what stands beside his gifts, pages, plans
-- and letters, the keys of his names, the ties of units' records to him. Gifts, amounts, receipts and the log stay; they lead to nobody. A
-- unit's own record of a donor is the unit's to erase.
create or replace function inbox_wants(p_stream text, p_type text, p_leaf boolean) returns boolean
language sql immutable as $$ select p_type in ('log.grown', 'citizen.closed') $$;

drop function shown_forget(uuid[]);
-- Of the accounts that are his, as far as the unit and those below it go, or everywhere: what they showed of him.
create function shown_forget(p_subjects uuid[], p_everywhere boolean default false) returns void
language plpgsql security definer set search_path from current as $$
declare
	v_page page;
	v_open boolean;
	v_codes text[] := array(select g.public_code from gift g join campaign c on c.id = g.campaign_id
		where g.donor = any(p_subjects) and (g.shown_name is not null or g.message is not null) and (p_everywhere or in_my_organization(c.organization)));
begin
	update gift g set shown_name = case when disclosure <> 'ANONYMOUS' then '爱心人士' end, message = null where g.donor = any(p_subjects) and g.public_code = any(v_codes);
	perform from gift_public where public_code = any(v_codes) order by paid_at, public_code for update; -- in the order of those who use gifts
	update gift_public set shown_name = null, message = null where public_code = any(v_codes);
	update plan p set shown_name = '爱心人士' from campaign c
	where p.donor = any(p_subjects) and c.id = p.campaign_id and (p_everywhere or in_my_organization(c.organization)) and p.disclosure = 'ALIAS';
	for v_page in select * from page where owner = any(p_subjects) and (p_everywhere or in_my_organization(organization)) and story <> '发起人的信息已删除' order by id for update loop
		-- a page without its founder's words asks for nothing any more
		v_open := v_page.state = 'OPEN';
		update page set organizer = '匿名', title = '个人募捐页面', story = '发起人的信息已删除', state = case when v_open then 'CLOSED' else state end,
			closed_at = case when v_open then now() else closed_at end, close_reason = case when v_open then 'ERASED' else close_reason end
		where id = v_page.id returning * into v_page;
		if v_open then
			perform page_tell(v_page, 'closed');
		end if;
	end loop;
	-- those that show nothing too: who signed their count is forgotten with them
	update inkind_gift set donor_name = null, wish = null where donor = any(p_subjects) and (p_everywhere or in_my_organization(organization));
end $$;

create function account_closed() returns trigger
language plpgsql security definer set search_path from current as $$
declare
	v_id uuid := new.subject::uuid;
	v_plan plan;
begin
	for v_plan in select * from plan where donor = v_id and state <> 'ENDED' order by id for update loop
		update plan set state = 'ENDED', reason = 'DONOR', next_charge_on = null, retry_on = null, ended_at = now() where id = v_plan.id returning * into v_plan;
		perform plan_tell(v_plan, 'ended', json_build_object('reason', v_plan.reason));
	end loop;
	perform shown_forget(array[v_id], true);
	delete from person_key where key_id in (select key_id from gift where donor = v_id)
		or key_id in (select key_id from inkind_count where representative_subject = v_id);
	delete from party_link where subject = v_id;
	return null;
end $$;
create trigger account_closed after insert on inbox for each row when (new.stream = 'identity' and new.type = 'citizen.closed') execute function account_closed();
revoke execute on function shown_forget, account_closed from public;
