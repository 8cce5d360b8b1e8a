-- Other services ask whether accounts that somebody names are active ones, and of which unit. Names are not told.
create function staff_active(p_ids text) returns table (id uuid, organization text)
language sql stable security definer set search_path = identity, pg_temp as $$
	select s.id, s.organization from staff s
	where s.state = 'ACTIVE' and s.id::text in (select lower(i) from unnest(string_to_array(p_ids, ',')) i)
	order by s.id
	limit 50
$$;
revoke execute on function staff_active from public;
grant execute on function staff_active to yg_identity;
