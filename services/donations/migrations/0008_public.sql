-- Whether the public may know of a campaign. A function, since a page of gifts asks only when it is not full: a subquery would cost its
-- set-up, row policies included, on every page.
create function campaign_is_public(p_id uuid) returns boolean
language sql stable security definer set search_path = donations, pg_temp as $$
	select exists (select from campaign where id = p_id and state <> 'DRAFT')
$$;
revoke execute on function campaign_is_public from public;
grant execute on function campaign_is_public to yg_donations;
