-- Who stays: donors by the month of their first gift, how many of them gave again in each month, how many have not for a year. Cells of
-- one to four persons, or all but one to four, are not told. Not security definer: staff count the gifts that they may see.
create function cohort_cell(p_count bigint, p_of bigint) returns bigint
language sql immutable as $$
	select case when p_of >= 5 and p_count not between 1 and 4 and p_of - p_count not between 1 and 4 then p_count end
$$;
create function donor_cohorts(p_from date, p_to date, p_today date) returns json
language sql stable as $$
	with paid as materialized (
		select distinct donor, date_trunc('month', paid_at, 'Asia/Shanghai') at time zone 'Asia/Shanghai' as month
		from gift where paid_at < (p_today + 1)::timestamp at time zone 'Asia/Shanghai'
	), donors as materialized (
		select donor, min(month) as first, max(month) as last from paid group by donor
	), kept as materialized (
		select d.first, p.month, count(*) as n from paid p join donors d using (donor) group by 1, 2
	), cohort as (
		select first, count(*) as size, count(*) filter (where last < date_trunc('month', p_today::timestamp) - interval '12 months') as lapsed
		from donors where first between date_trunc('month', p_from::timestamp) and p_to::timestamp group by first
	)
	select coalesce(json_agg(json_strip_nulls(json_build_object('month', to_char(c.first, 'YYYY-MM'), 'donor_count', case when c.size >= 5 then c.size end,
		'lapsed_count', cohort_cell(c.lapsed, c.size), 'months', case when c.size >= 5 then (
			select json_agg(json_strip_nulls(json_build_object('month', to_char(m, 'YYYY-MM'), 'donor_count', cohort_cell(
				coalesce(k.n, 0), c.size))) order by m)
			from generate_series(c.first + interval '1 month', date_trunc('month', p_today::timestamp), interval '1 month') m
			left join kept k on k.first = c.first and k.month = m) end)) order by c.first), '[]')
	from cohort c
$$;
revoke execute on function cohort_cell, donor_cohorts from public;
grant execute on function cohort_cell, donor_cohorts to yg_donations;
