-- A named donor's gift commits to the name in the public log without showing it: SHA-256(salt || name), a salt for each gift
-- (deploy/verify/README.md). The donor sees his salt. When his key is destroyed the salt goes too: what stands in the log then
-- leads to nobody, and the log stays as it is.

create table gift_commitment (
	gift_id uuid primary key,
	key_id uuid not null,
	salt bytea constraint gift_commitment_salt_size check (octet_length(salt) = 16),
	commitment text not null constraint gift_commitment_form check (commitment ~ '^[0-9a-f]{64}$')
);
create index gift_commitment_by_key on gift_commitment (key_id);

create function gift_commitment_kept() returns trigger
language plpgsql as $$
begin
	if tg_op = 'DELETE' or new.salt is not null or (new.gift_id, new.key_id, new.commitment) is distinct from (old.gift_id, old.key_id, old.commitment) then
		perform refuse('append_only', 'of a commitment only the salt is destroyed');
	end if;
	return new;
end $$;
create trigger gift_commitment_kept before update or delete on gift_commitment for each row execute function gift_commitment_kept();

create function person_key_gone() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	update gift_commitment set salt = null where key_id = old.key_id and salt is not null;
	return null;
end $$;
create trigger person_key_gone after delete on person_key for each row execute function person_key_gone();
revoke execute on function person_key_gone from public;

alter table gift_commitment enable row level security;
create policy gift_commitment_insert on gift_commitment for insert with check (true);
create policy gift_commitment_own on gift_commitment for select using (exists (select from person_key k where k.key_id = gift_commitment.key_id));
grant select, insert on gift_commitment to yg_donations;
