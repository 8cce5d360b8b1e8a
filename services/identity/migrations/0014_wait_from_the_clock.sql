-- An attempt may have waited for a row that another pushed on meanwhile: what is left to wait counts from the clock, not from when the
-- transaction began, or a wait of a minute is told as 61 seconds.
create or replace function throttle_wait_s(p_until timestamptz) returns integer
language sql volatile as $$ select ceil(extract(epoch from greatest(p_until - clock_timestamp(), interval '0')))::integer $$;

-- As before, but never 0 for an attempt that was not charged.
create or replace function throttle_charge(p_bucket text, p_schedule integer[]) returns integer
language plpgsql security definer set search_path = identity, pg_temp as $$
declare
	t throttle;
begin
	select * into t from throttle where bucket = p_bucket;
	if coalesce(t.blocked_until <= now(), true) then
		t := throttle_take(p_bucket);
	end if;
	if coalesce(t.blocked_until <= now(), true) then
		perform throttle_add(p_bucket, t.failures, p_schedule);
		return 0;
	end if;
	return greatest(throttle_wait_s(t.blocked_until), 1);
end $$;
