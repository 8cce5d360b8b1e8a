-- What staff write about money goes into the public log, where nothing can be taken back. Somebody in need was guarded; a supplier, a
-- reason or a purpose could still carry a mobile telephone or an identity card for ever. Contract and bill numbers stay possible.
create function personal_number_told(p_text text) returns boolean
language sql immutable strict parallel safe as $$
	-- runs of digits, as digits_told: once compatibility forms are plain, with and without what people put between digits
	select exists (select from (select translate(normalize(upper(p_text), NFKC), '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖幺', '01234567890123456789001234567891234567891') as plain) t,
		lateral (values (plain), (regexp_replace(plain, '([0-9])[^[:alnum:]]+(?=[0-9])', '\1', 'g'))) v (said),
		lateral regexp_matches(said, '([0-9]+X?)', 'g') m
		where m[1] ~ '^(0?086|86)?1[3-9][0-9]{9}$' or m[1] ~ '^[1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9X]$')
$$;
-- The columns are the trigger's arguments. Only words that are new are looked at: what was written before can still go its way.
create function words_impersonal() returns trigger
language plpgsql security definer set search_path from current as $$
declare
	n jsonb := to_jsonb(new);
	o jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) end;
begin
	for i in 0..tg_nargs - 1 loop
		if n ->> tg_argv[i] is distinct from o ->> tg_argv[i] and personal_number_told(n ->> tg_argv[i]) then
			perform refuse('words_personal_number', 'a telephone or an identity card');
		end if;
	end loop;
	return new;
end $$;
create trigger disbursement_words before insert or update on disbursement for each row execute function words_impersonal('payee', 'purpose', 'reason', 'decision_no');
create trigger fund_words before insert or update on fund for each row execute function words_impersonal('name', 'purpose', 'founder', 'reason');
create trigger fund_move_words before insert or update on fund_move for each row execute function words_impersonal('purpose', 'decision_no', 'reason');
create trigger fund_income_words before insert or update on fund_income for each row execute function words_impersonal('payer', 'reason');
create trigger correction_words before insert or update on correction for each row execute function words_impersonal('reason', 'refusal');
revoke execute on function personal_number_told, words_impersonal from public;
