-- Personal pages (微公益): somebody asks friends to give for a campaign that allows it. All money is the campaign's; a page only says through
-- whom it came, and its founder collects nothing. What it says is read by staff before anybody else. DRAFT → SUBMITTED → OPEN → CLOSED,
-- SUBMITTED → REFUSED. The login role may read; every change is a function of the owner.

-- Which campaigns allow pages; none does until staff say so. Each decision is a row, the last one counts.
create table page_permission (
	seq bigint generated always as identity primary key,
	campaign_id uuid not null constraint page_permission_campaign references campaign (id),
	allowed boolean not null,
	decided_by uuid not null,
	decided_at timestamptz not null default now()
);
create index page_permission_last on page_permission (campaign_id, seq desc);
create trigger page_permission_append_only before update or delete on page_permission for each row execute function append_only();

create table page (
	id uuid primary key,
	code text not null constraint page_code_taken unique,
	campaign_id uuid not null constraint page_campaign references campaign (id),
	organization text not null,
	owner uuid not null,
	organizer text not null, -- as he wants to be called
	title text not null,
	story text not null,
	goal_fen bigint not null,
	ends_on date not null,
	failure_rule text not null default 'STAYS_WITH_CAMPAIGN',
	state text not null default 'DRAFT',
	version integer not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	submitted_at timestamptz,
	reviewed_by uuid,
	opened_at timestamptz,
	closed_at timestamptz,
	close_reason text,
	refusal text,
	constraint page_goal_range check (goal_fen between 100 and 10000000000),
	constraint page_failure_rule_known check (failure_rule = 'STAYS_WITH_CAMPAIGN'),
	constraint page_state_consistent check (case state
		when 'DRAFT' then num_nonnulls(submitted_at, reviewed_by, opened_at, closed_at, refusal) = 0
		when 'SUBMITTED' then submitted_at is not null and num_nonnulls(reviewed_by, opened_at, closed_at, refusal) = 0
		when 'OPEN' then num_nonnulls(submitted_at, reviewed_by, opened_at) = 3 and num_nonnulls(closed_at, refusal) = 0
		when 'CLOSED' then num_nonnulls(opened_at, closed_at, close_reason) = 3 and refusal is null
		when 'REFUSED' then num_nonnulls(submitted_at, reviewed_by, refusal) = 3 and opened_at is null
		else false end)
);
create index page_by_owner on page (owner, id);
create index page_by_campaign on page (campaign_id);
create index page_newest on page (opened_at desc, code desc) where opened_at is not null;
create index page_deadline on page (ends_on) where state = 'OPEN';
create trigger page_kept before delete on page for each row execute function append_only();

create function page_before_update() returns trigger
language plpgsql as $$
begin
	if (new.id, new.code, new.campaign_id, new.organization, new.owner, new.failure_rule, new.created_at)
		is distinct from (old.id, old.code, old.campaign_id, old.organization, old.owner, old.failure_rule, old.created_at)
		or (old.state <> 'DRAFT' and (new.organizer, new.title, new.story, new.goal_fen, new.ends_on)
		is distinct from (old.organizer, old.title, old.story, old.goal_fen, old.ends_on)) then
		perform refuse('page_fixed', 'what was submitted does not change');
	end if;
	if new.state <> old.state and (old.state, new.state) not in (('DRAFT', 'SUBMITTED'), ('SUBMITTED', 'OPEN'), ('SUBMITTED', 'REFUSED'), ('OPEN', 'CLOSED')) then
		perform refuse('page_transition', format('%s to %s', old.state, new.state));
	end if;
	new.version := old.version + 1;
	new.updated_at := now();
	return new;
end $$;
create trigger page_before_update before update on page for each row execute function page_before_update();

create function page_allowed(p_campaign uuid) returns boolean
language sql stable security definer set search_path = donations, pg_temp as $$
	select coalesce((select allowed from page_permission where campaign_id = p_campaign order by seq desc limit 1), false)
$$;
create view page_taking_gifts as
select id, code, campaign_id from page where state = 'OPEN' and (now() at time zone 'Asia/Shanghai')::date <= ends_on;

-- A gift that came through a page carries it. One look per statement, as at the campaign.
alter table gift add column page_id uuid;
create function gift_page_fixed() returns trigger
language plpgsql as $$
begin
	perform refuse('gift_fixed', 'the page of a gift never changes');
	return null;
end $$;
create trigger gift_page_fixed before update on gift
	for each row when (new.page_id is distinct from old.page_id) execute function gift_page_fixed();
create or replace function gift_guard() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if exists (select from fresh g left join campaign_taking_gifts c on c.id = g.campaign_id
	           where c.id is null or g.state <> 'PENDING' or g.amount_fen not between c.min_gift_fen and c.max_gift_fen) then
		perform refuse('gift_campaign_open', 'the campaign does not take this gift');
	end if;
	if exists (select from fresh g where g.page_id is not null and not exists (select from page_taking_gifts p where p.id = g.page_id and p.campaign_id = g.campaign_id)) then
		perform refuse('gift_page_open', 'the page does not take this gift');
	end if;
	return null;
end $$;

-- What came through a page, signed and append-only, written by the gift's own row: gifts without a page pay nothing for it. It draws its
-- numbers from the sequence of all entries, so that totals_fold needs no mark of its own.
create table page_entry (
	seq bigint primary key default money_entry_next(),
	page_id uuid not null,
	gift_id uuid not null,
	fen bigint not null,
	constraint page_entry_amount check (fen <> 0)
);
create trigger page_entry_append_only before update or delete on page_entry for each row execute function append_only();
create table page_total (
	page_id uuid primary key,
	received_fen bigint not null,
	refunded_fen bigint not null,
	gift_count bigint not null
);
create function page_counts() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	insert into page_entry (page_id, gift_id, fen)
	select new.page_id, new.id, fen from (values (case when old.paid_at is null and new.paid_at is not null then new.amount_fen else 0 end),
		(old.refunded_fen - new.refunded_fen)) v (fen) where fen <> 0;
	return null;
end $$;
create trigger page_counts after update on gift for each row when (new.page_id is not null) execute function page_counts();

-- As before, and what came through pages.
create or replace function totals_fold() returns bigint
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	f fold_state;
	v_fresh boolean := pg_current_xact_id_if_assigned() is null;
	v_last bigint;
	v_count bigint := 0;
begin
	select case when is_called then last_value else 0 end into v_last from money_entry_seq;
	select * into f from fold_state for update skip locked;
	if not found then
		return 0;
	end if;
	if pg_snapshot_xmin(pg_current_snapshot()) < f.pending_xid
		and pg_current_xact_id() >= f.pending_xid then -- a restored database counts its transactions anew
		return 0;
	end if;
	insert into account_total as t (account, fen)
	select account, sum(fen) from posting where seq > f.folded and seq <= f.pending group by account
	on conflict (account) do update set fen = t.fen + excluded.fen;
	insert into page_total as t (page_id, received_fen, refunded_fen, gift_count)
	select page_id, coalesce(sum(fen) filter (where fen > 0), 0), coalesce(-sum(fen) filter (where fen < 0), 0), count(*) filter (where fen > 0)
	from page_entry where seq > f.folded and seq <= f.pending group by page_id
	on conflict (page_id) do update set received_fen = t.received_fen + excluded.received_fen, refunded_fen = t.refunded_fen + excluded.refunded_fen,
		gift_count = t.gift_count + excluded.gift_count;
	with slice as (
		select campaign_id, coalesce(sum(amount_fen) filter (where kind = 'PAYMENT'), 0) as payment_fen,
		       count(*) filter (where kind = 'PAYMENT') as payment_count,
		       coalesce(-sum(amount_fen) filter (where kind = 'REFUND'), 0) as refund_fen,
		       count(*) filter (where kind = 'REFUND') as refund_count
		from money_entry
		where seq > f.folded and seq <= f.pending
		group by campaign_id
	), added as (
		insert into campaign_total as t (campaign_id, payment_fen, payment_count, refund_fen, refund_count)
		select * from slice
		on conflict (campaign_id) do update
		set payment_fen = t.payment_fen + excluded.payment_fen, payment_count = t.payment_count + excluded.payment_count,
		    refund_fen = t.refund_fen + excluded.refund_fen, refund_count = t.refund_count + excluded.refund_count
	)
	select coalesce(sum(payment_count + refund_count), 0) into v_count from slice;
	update fold_state set folded = f.pending, pending = case when v_fresh then greatest(v_last, f.pending) else f.pending end,
		pending_xid = case when v_fresh then pg_current_xact_id() else '0' end;
	return v_count;
end $$;

create function page_figures(p_page uuid) returns table (received_fen bigint, refunded_fen bigint, gift_count bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select coalesce((select t.received_fen from page_total t where t.page_id = p_page), 0) + coalesce(sum(e.fen) filter (where e.fen > 0), 0)::bigint,
	       coalesce((select t.refunded_fen from page_total t where t.page_id = p_page), 0) + coalesce(-sum(e.fen) filter (where e.fen < 0), 0)::bigint,
	       coalesce((select t.gift_count from page_total t where t.page_id = p_page), 0) + count(*) filter (where e.fen > 0)
	from page_entry e where e.seq > (select folded from fold_state) and e.page_id = p_page
$$;
-- No row means all is well.
create view page_disagreement as
select p.id, x.received_fen - x.refunded_fen as says, coalesce(g.fen, 0)::bigint as gifts
from page p cross join lateral page_figures(p.id) x
left join (select page_id, sum(amount_fen - refunded_fen) as fen from gift where page_id is not null and paid_at is not null group by page_id) g on g.page_id = p.id
where x.received_fen - x.refunded_fen is distinct from coalesce(g.fen, 0)::bigint;
grant select on page_disagreement to yg_donations;

-- The caller's own (a citizen) or his unit's (staff), locked, in one of the states.
create function page_take(p_id uuid, variadic p_states text[]) returns page
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p page;
begin
	select * into p from page where id = p_id and case current_kind() when 'citizen' then owner = current_subject()
		when 'staff' then in_my_organization(organization) and state <> 'DRAFT' else false end for update;
	if p.id is null then
		perform refuse('page_unknown', 'the caller has no such page');
	elsif p.state <> all (p_states) then
		perform refuse('page_transition', p.state);
	end if;
	return p;
end $$;
create function page_tell(p page, p_what text) returns void
language sql volatile security definer set search_path = donations, pg_temp as $$
	insert into outbox (type, subject, payload)
	values ('page.' || p_what, p.id, json_strip_nulls(json_build_object('page_id', p.id, 'code', p.code, 'campaign_id', p.campaign_id, 'state', p.state,
		'reason', coalesce(p.refusal, p.close_reason))))
$$;
-- Only under a campaign that takes gifts and allows it, and not longer than it.
create function page_fits(p page, p_today date) returns void
language plpgsql stable security definer set search_path = donations, pg_temp as $$
declare
	c campaign;
begin
	select * into c from campaign where id = p.campaign_id and state <> 'DRAFT';
	perform refuse(why, 'the campaign does not allow it') from (select case when c.id is null then 'campaign_not_found'
		when not exists (select from campaign_taking_gifts where id = c.id) then 'campaign_not_open'
		when not page_allowed(c.id) then 'page_not_allowed'
		when p.ends_on not between p_today and c.ends_on then 'page_deadline' end as why) x where why is not null;
end $$;

create function page_permit(p_campaign uuid, p_allowed boolean, p_by uuid) returns campaign
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	c campaign;
begin
	select * into c from campaign where id = p_campaign and current_kind() = 'staff' and in_my_organization(organization);
	if c.id is null then
		perform refuse('campaign_not_found', 'no such campaign of the unit');
	end if;
	insert into page_permission (campaign_id, allowed, decided_by) values (c.id, p_allowed, p_by);
	return c;
end $$;
create function page_create(p_id uuid, p_campaign uuid, p_organizer text, p_title text, p_story text, p_goal_fen bigint, p_ends_on date) returns page
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p page;
begin
	p.campaign_id := p_campaign;
	p.ends_on := p_ends_on;
	perform page_fits(p, business_day());
	if current_kind() <> 'citizen' or current_subject() is null then
		perform refuse('page_unknown', 'a page is a person''s own');
	end if;
	insert into page (id, code, campaign_id, organization, owner, organizer, title, story, goal_fen, ends_on)
	select p_id, public_code_new(), c.id, c.organization, current_subject(), p_organizer, p_title, p_story, p_goal_fen, p_ends_on from campaign c where c.id = p_campaign
	returning * into p;
	return p;
end $$;
-- Members that are not there stay as they are. Null: the version is another.
create function page_update(p_id uuid, p_organizer text, p_title text, p_story text, p_goal_fen bigint, p_ends_on date, p_version text) returns page
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p page := page_take(p_id, 'DRAFT');
begin
	if p_version not in (p.version::text, '*') then
		return null;
	end if;
	p.ends_on := coalesce(p_ends_on, p.ends_on);
	perform page_fits(p, business_day());
	update page set organizer = coalesce(p_organizer, organizer), title = coalesce(p_title, title), story = coalesce(p_story, story),
		goal_fen = coalesce(p_goal_fen, goal_fen), ends_on = p.ends_on where id = p_id returning * into p;
	return p;
end $$;
create function page_submit(p_id uuid) returns page
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p page := page_take(p_id, 'DRAFT');
begin
	perform page_fits(p, business_day());
	update page set state = 'SUBMITTED', submitted_at = now() where id = p_id returning * into p;
	perform page_tell(p, 'submitted');
	return p;
end $$;
create function page_review(p_id uuid, p_open boolean, p_reason text, p_by uuid) returns page
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p page := page_take(p_id, 'SUBMITTED');
begin
	if current_kind() <> 'staff' or p_by = p.owner then
		perform refuse('page_own', 'nobody opens his own page');
	end if;
	if p_open then
		perform page_fits(p, business_day());
		update page set state = 'OPEN', reviewed_by = p_by, opened_at = now() where id = p_id returning * into p;
	elsif p_reason is null then
		perform refuse('page_reason_missing', 'a refusal has a reason');
	else
		update page set state = 'REFUSED', reviewed_by = p_by, refusal = p_reason where id = p_id returning * into p;
	end if;
	perform page_tell(p, lower(p.state));
	return p;
end $$;
-- By its founder, or by staff. Money that came stays with the campaign; orders that are under way may still be paid.
create function page_close(p_id uuid, p_reason text) returns page
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p page := page_take(p_id, 'OPEN');
begin
	update page set state = 'CLOSED', closed_at = now(), close_reason = p_reason where id = p_id returning * into p;
	perform page_tell(p, 'closed');
	return p;
end $$;
-- Pages whose deadline lies before the day, and those of campaigns that have ended.
create function pages_close_on(p_today date) returns bigint
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	v_count bigint;
begin
	with due as (
		select p.id, case when p_today > p.ends_on then 'DEADLINE' else 'CAMPAIGN_CLOSED' end as why
		from page p join campaign c on c.id = p.campaign_id
		where p.state = 'OPEN' and (p_today > p.ends_on or c.state in ('CLOSED', 'REPORTED')) limit 500 for update of p skip locked
	), closed as (
		update page p set state = 'CLOSED', closed_at = now(), close_reason = d.why from due d where d.id = p.id returning p as it
	)
	select count(page_tell(it, 'closed')) into v_count from closed;
	return v_count;
end $$;
create function pages_close() returns bigint
language sql volatile security definer set search_path = donations, pg_temp as $$ select pages_close_on(business_day()) $$;

alter table page enable row level security;
create policy page_public on page for select using (state in ('OPEN', 'CLOSED'));
create policy page_own on page for select using (current_kind() = 'citizen' and owner = current_subject());
create policy page_staff on page for select using (current_kind() = 'staff' and state <> 'DRAFT' and in_my_organization(organization));
grant select on page, page_permission, page_taking_gifts, page_entry, page_total to yg_donations;
grant insert (page_id) on gift to yg_donations;
revoke execute on function page_before_update, page_allowed, gift_page_fixed, page_counts, page_figures, page_take, page_tell, page_fits, page_permit, page_create, page_update,
	page_submit, page_review, page_close, pages_close_on, pages_close from public;
grant execute on function page_allowed, gift_page_fixed, page_figures, page_permit, page_create, page_update, page_submit, page_review, page_close, pages_close to yg_donations;
