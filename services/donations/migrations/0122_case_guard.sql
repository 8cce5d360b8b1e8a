-- The guard of what is said of somebody in need looks at digits however they are written (full-width, with blanks or hyphens between them),
-- and only where the words change: what was drafted under the older rule can still be paid, acknowledged or turned back.

create function digits_told(p_text text) returns integer
language sql immutable strict parallel safe as $$
	-- the longest run of digits, once compatibility forms are plain and what people put between digits is gone
	select coalesce(max(length(m[1])), 0)::integer
	from regexp_matches(regexp_replace(translate(normalize(p_text, NFKC), '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖幺', '01234567890123456789001234567891234567891'),
		'[^[:alnum:]]+', '', 'g'), '([0-9]+)', 'g') m
$$;

create or replace function disbursement_case_guard() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	if tg_op = 'UPDATE' and (new.payee_kind, new.payee, new.purpose, new.reason) is not distinct from (old.payee_kind, old.payee, old.purpose, old.reason) then
		return new;
	end if;
	if new.payee !~ '^[一-鿿、]{1,38}[省市区县镇乡街道村会]·个案 ?[0-9A-Za-z-]{1,20}$' and (tg_op = 'INSERT' or (new.payee_kind, new.payee) is distinct from (old.payee_kind, old.payee)) then
		perform refuse('disbursement_case_anonymous', 'a person is named by region and case');
	elsif greatest(digits_told(new.purpose), digits_told(new.reason)) >= 7 or new.payee ~ '[0-9]{7}' or digits_told(new.payee) >= 11 then
		perform refuse('disbursement_case_anonymous', 'a number of seven digits or more');
	end if;
	return new;
end $$;
revoke execute on function digits_told from public;
