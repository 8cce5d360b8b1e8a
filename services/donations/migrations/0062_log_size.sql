-- The public log's size as this service last heard of it. Its leaves up to there were committed here before, so a total that is worked out
-- now has all of them: anyone can refold that log and must find no less.

create table log_seen (
	one boolean constraint log_seen_pkey primary key default true constraint log_seen_one check (one),
	size bigint not null
);
insert into log_seen (size) values (0);
insert into consumer_state (stream, anywhere) values ('transparency', true);

create function log_heard() returns trigger
language plpgsql security definer set search_path = donations, pg_temp as $$
begin
	update log_seen set size = (new.payload ->> 'size')::bigint where size < (new.payload ->> 'size')::bigint;
	return null;
end $$;
create trigger log_heard after insert on inbox for each row when (new.stream = 'transparency' and new.type = 'log.grown') execute function log_heard();

create function log_size() returns bigint language sql stable as $$ select size from log_seen $$;

grant select on log_seen to yg_donations;
revoke execute on function log_heard from public;
grant execute on function log_size to yg_donations;
