-- When somebody closes his account (identity tells citizen.closed), donations forgets him everywhere: what stands beside his gifts, pages, plans
-- and letters, the keys of his names, the ties of units' records to him. Gifts, amounts, receipts and the log stay; they lead to nobody. A
-- unit's own record of a donor is the unit's to erase.
create or replace function inbox_wants(p_stream text, p_type text, p_leaf boolean) returns boolean
language sql immutable as $$ select p_type in ('log.grown', 'citizen.closed') $$;

-- Beside a gift stands something of its donor.
create function gift_shows(g gift) returns boolean
language sql immutable as $$ select g.message is not null or g.shown_name <> '爱心人士' $$;

drop function shown_forget(uuid[]);
-- Of the accounts that are his, as far as the unit and those below it go, or everywhere: what they showed of him. Of gifts so many at a time;
-- how many there were.
create function shown_forget(p_subjects uuid[], p_everywhere boolean default false, p_gifts integer default null) returns bigint
language plpgsql security definer set search_path from current as $$
declare
	v_page page;
	v_open boolean;
	v_codes text[];
begin
	with shown as materialized (
		select g.id from gift g join campaign c on c.id = g.campaign_id
		where g.donor = any(p_subjects) and gift_shows(g) and (p_everywhere or in_my_organization(c.organization)) limit p_gifts
	), forgotten as (
		update gift g set shown_name = case when disclosure <> 'ANONYMOUS' then '爱心人士' end, message = null
		from shown s where g.id = s.id returning g.public_code
	)
	select coalesce(array_agg(public_code), '{}') into v_codes from forgotten;
	perform from gift_public p join unnest(v_codes) code on p.public_code = code order by p.paid_at, p.public_code for update of p; -- in the order of those who use gifts
	update gift_public p set shown_name = null, message = null from unnest(v_codes) code where p.public_code = code;
	update plan p set shown_name = '爱心人士' from campaign c where p.donor = any(p_subjects) and c.id = p.campaign_id
		and (p_everywhere or in_my_organization(c.organization)) and p.disclosure = 'ALIAS' and p.shown_name <> '爱心人士';
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
	return cardinality(v_codes);
end $$;

-- Who closed his account. Hearing of it costs one row: somebody may have given fifty thousand times, and the others behind him in the stream
-- do not wait for that. And what he does at this moment is written after it: his token is good until the gateways hear of its end, for a
-- quarter of an hour if they cannot. So job accounts_forget goes over him again and again, until nothing can come any more (next_at is null).
create table account_closed (
	subject uuid constraint account_closed_pkey primary key,
	heard_at timestamptz not null default now(),
	next_at timestamptz default now()
);
create index account_closed_due on account_closed (next_at) where next_at is not null;

create function account_closed() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	insert into account_closed (subject) values (new.subject::uuid) on conflict do nothing;
	return null;
end $$;
create trigger account_closed after insert on inbox for each row when (new.stream = 'identity' and new.type = 'citizen.closed') execute function account_closed();

-- Answers that wait seven days for a repetition hold his words too; those to a gift hold none.
create index idempotency_of on idempotency ((answer ->> 'id')) where operation <> 'gift_create';

-- All there is of him now, but so many gifts and keys at most; whether that was all. Gifts before plans, as who settles an order does.
create function account_forget(p_id uuid, p_most integer) returns boolean
language plpgsql security definer set search_path from current as $$
declare
	v_plan plan;
	v_gifts bigint := shown_forget(array[p_id], true, p_most);
	v_keys bigint;
begin
	for v_plan in select * from plan where donor = p_id and state <> 'ENDED' order by id for update loop
		update plan set state = 'ENDED', reason = 'DONOR', next_charge_on = null, retry_on = null, ended_at = now() where id = v_plan.id returning * into v_plan;
		perform plan_tell(v_plan, 'ended', json_build_object('reason', v_plan.reason));
	end loop;
	delete from person_key where key_id in (select k.key_id from gift g join person_key k on k.key_id = g.key_id where g.donor = p_id limit p_most);
	get diagnostics v_keys = row_count;
	delete from person_key where key_id in (select key_id from inkind_count where representative_subject = p_id);
	delete from party_link where subject = p_id;
	delete from idempotency i using (select id from page where owner = p_id union all select id from plan where donor = p_id
		union all select id from inkind_gift where donor = p_id) h where i.operation <> 'gift_create' and i.answer ->> 'id' = h.id::text;
	return v_gifts < p_most and v_keys < p_most;
end $$;

-- The next one who is due; how many that were. Nobody's token outlives twenty minutes.
create function accounts_forget(p_most integer) returns integer
language plpgsql security definer set search_path from current as $$
declare
	v_due account_closed;
	v_all boolean;
begin
	select * into v_due from account_closed where next_at <= now() order by next_at limit 1 for update skip locked;
	if not found then
		return 0;
	end if;
	v_all := account_forget(v_due.subject, p_most);
	update account_closed set next_at = case when not v_all then now() when heard_at < now() - interval '20 minutes' then null
		else now() + greatest(interval '2 seconds', least(now() - heard_at, interval '5 minutes')) end where subject = v_due.subject;
	return 1;
end $$;

-- A unit ties its record to nobody who is gone.
create function party_link_open() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	if exists (select from account_closed where subject = new.subject) then
		perform refuse('party_link_unknown', 'the account is closed');
	end if;
	return new;
end $$;
create trigger party_link_open before insert on party_link for each row execute function party_link_open();

revoke execute on function gift_shows, shown_forget, account_closed, account_forget, accounts_forget, party_link_open from public;
grant execute on function accounts_forget to yg_donations;
