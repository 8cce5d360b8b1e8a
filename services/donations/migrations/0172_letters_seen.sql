-- Who signs the count of his own letter is the donor: when a person is erased, the key of that name goes with his letter's words. Whoever
-- signed by an account of his own, or for an organisation, is somebody else, and his name stays until he is forgotten.
create function inkind_signer_forget() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	delete from person_key k using inkind_count c
	where c.gift_id = new.id and k.key_id = c.key_id and (c.representative_subject is null or c.representative_subject = new.donor);
	return null;
end $$;
create trigger inkind_signer_forget after update of donor_name on inkind_gift -- only erasure writes it
	for each row when (new.donor_kind = 'PERSON' and new.donor_name is null) execute function inkind_signer_forget();

-- Who gives without a name signs all the same: each of his letters is taken up when he is erased, whatever it shows.
create or replace function party_letters_forget() returns trigger
language plpgsql security definer set search_path from current as $$
begin
	update inkind_gift g set donor_name = null, wish = null from party_letter l where l.party_id = new.id and g.id = l.inkind_gift_id;
	delete from party_letter where party_id = new.id;
	return null;
end $$;

-- Letters that staff wrote down for him, those of records merged with it included.
create function party_letters(p_id uuid) returns uuid[]
language sql stable security definer set search_path from current as $$
	select array(select l.inkind_gift_id from party_letter l where l.party_id in (select party_family_seen(p_id)) order by l.linked_at, l.inkind_gift_id)
	from party p where p.id = p_id and current_kind() = 'staff' and in_my_organization(p.organization)
$$;
drop policy party_letter_staff on party_letter;
revoke select on party_letter from yg_donations;
revoke execute on function inkind_signer_forget, party_letters from public;
grant execute on function party_letters to yg_donations;
