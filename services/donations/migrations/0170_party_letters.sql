-- A letter of goods that staff wrote down at the counter has no account that would lead to its donor. It is tied to his record by hand, so
-- that erasing him takes his name and his wish from it too.
create table party_letter (
	inkind_gift_id uuid constraint party_letter_once primary key constraint party_letter_gift references inkind_gift (id),
	party_id uuid not null constraint party_letter_party references party (id),
	linked_by uuid not null,
	linked_at timestamptz not null default now()
);
create index party_letter_by_party on party_letter (party_id);
alter table party_letter enable row level security;
create policy party_letter_staff on party_letter for select using (current_kind() = 'staff' and exists (select from party p where p.id = party_id));
grant select on party_letter to yg_donations;

create function party_letter_to(p_id uuid, p_letter uuid) returns party
language plpgsql security definer set search_path from current as $$
declare
	p party := party_take(p_id);
begin
	if not exists (select from inkind_gift g where g.id = p_letter and g.registered_by is not null and g.donor_kind = p.kind
		and in_my_organization(g.organization) and (g.organization = p.organization or starts_with(g.organization, p.organization || '/'))) then
		perform refuse('party_letter_unknown', 'no letter of a donor of this kind that staff of the unit wrote down');
	end if;
	insert into party_letter (inkind_gift_id, party_id, linked_by) values (p_letter, p_id, current_subject());
	return p;
end $$;
create function party_letter_from(p_id uuid, p_letter uuid) returns void
language plpgsql security definer set search_path from current as $$
begin
	perform party_take(p_id);
	delete from party_letter where party_id = p_id and inkind_gift_id = p_letter;
	if not found then
		perform refuse('party_letter_missing', 'the letter is not linked');
	end if;
end $$;

-- Whatever way a record is erased, its letters are too.
create function party_letters_forget() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	update inkind_gift g set donor_name = null, wish = null from party_letter l
	where l.party_id = new.id and g.id = l.inkind_gift_id and num_nonnulls(g.donor_name, g.wish) > 0;
	delete from party_letter where party_id = new.id;
	return null;
end $$;
create trigger party_letters_forget after update on party for each row when (old.erased_at is null and new.erased_at is not null) execute function party_letters_forget();
revoke execute on function party_letter_to, party_letter_from, party_letters_forget from public;
grant execute on function party_letter_to, party_letter_from to yg_donations;
