-- Pages: a permission that is taken back closes the open ones; a page that closes in the instant of a gift refuses nobody else's; the gifts of
-- a page are listed. Plans: the limit of a donor holds for two requests at once.

-- What takes gifts. For half a minute after its end a page still stands here, not `open`: gift_create judges by `open`, and the guard of the
-- whole batch looks later, when it may have closed.
create or replace view page_taking_gifts as
select id, code, campaign_id, state = 'OPEN' as open from page
where (state = 'OPEN' or state = 'CLOSED' and closed_at > now() - interval '30 seconds') and (now() at time zone 'Asia/Shanghai')::date <= ends_on;

-- As before; and open pages end with the permission. Opening waits for a decision that is being made.
create or replace function page_permit(p_campaign uuid, p_allowed boolean, p_by uuid) returns campaign
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	c campaign;
	p page;
begin
	select * into c from campaign where id = p_campaign and current_kind() = 'staff' and in_my_organization(organization);
	if c.id is null then
		perform refuse('campaign_not_found', 'no such campaign of the unit');
	end if;
	perform pg_advisory_xact_lock(hashtext('donations.page_permission'), hashtext(c.id::text));
	insert into page_permission (campaign_id, allowed, decided_by) values (c.id, p_allowed, p_by);
	if not p_allowed then
		for p in update page set state = 'CLOSED', closed_at = now(), close_reason = 'NOT_ALLOWED' where campaign_id = c.id and state = 'OPEN' returning * loop
			perform page_tell(p, 'closed');
		end loop;
	end if;
	return c;
end $$;
create or replace function page_review(p_id uuid, p_open boolean, p_reason text, p_by uuid) returns page
language plpgsql security definer set search_path = donations, pg_temp as $$
declare
	p page := page_take(p_id, 'SUBMITTED');
begin
	if current_kind() <> 'staff' or p_by = p.owner then
		perform refuse('page_own', 'nobody opens his own page');
	end if;
	if p_open then
		perform pg_advisory_xact_lock_shared(hashtext('donations.page_permission'), hashtext(p.campaign_id::text));
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
-- Pages that stayed open when the permission was taken back before.
update page set state = 'CLOSED', closed_at = now(), close_reason = 'NOT_ALLOWED' where state = 'OPEN' and not page_allowed(campaign_id);

-- The public gifts of a page, the last that came first; their items stand ready in the public row.
create index page_entry_by_page on page_entry (page_id, seq desc) where fen > 0;
create function page_gifts(p_code text, p_before bigint, p_limit bigint) returns table (item text, seq bigint)
language sql stable security definer set search_path = donations, pg_temp as $$
	select p.item, e.seq from page g join page_entry e on e.page_id = g.id join gift f on f.id = e.gift_id join gift_public p on p.public_code = f.public_code
	where g.code = p_code and g.opened_at is not null and e.fen > 0 and e.seq < coalesce(p_before, 9223372036854775807)
	order by e.seq desc limit p_limit
$$;

-- Twenty plans, whoever asks at once.
create function plan_limit() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	perform pg_advisory_xact_lock(hashtext('donations.plan'), hashtext(new.donor::text));
	if (select count(*) from plan where donor = new.donor and state <> 'ENDED') >= 20 then
		perform refuse('plan_too_many', 'twenty plans at once');
	end if;
	return new;
end $$;
create trigger plan_limit before insert on plan for each row execute function plan_limit();

revoke execute on function page_gifts, plan_limit from public;
grant execute on function page_gifts to yg_donations;
