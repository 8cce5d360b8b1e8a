-- The tree of Red Cross units, as far as access needs it: a path of codes, "4412" or "4412/441202".
-- A constraint's name is the slug of the problem it means.

-- Refusal of a rule that no plain constraint can hold; the name given is what clients see.
create function refuse(p_constraint text, p_message text) returns void
language plpgsql as $$
begin
	raise exception using errcode = 'check_violation', constraint = p_constraint, message = p_message;
end $$;

-- For tables whose rows are history.
create function append_only() returns trigger
language plpgsql as $$
begin
	perform refuse('append_only', format('%s is append-only', tg_table_name));
	return null;
end $$;

create table organization (
	path text primary key,
	parent text generated always as (nullif(regexp_replace(path, '/?[^/]*$', ''), '')) stored,
	code text generated always as (regexp_replace(path, '^.*/', '')) stored,
	name text not null,
	created_at timestamptz not null default now(),
	constraint organization_path_form check (path ~ '^[0-9]{2,12}(/[0-9]{2,12}){0,4}$'),
	constraint organization_name_length check (length(name) between 2 and 100),
	constraint organization_parent_unknown foreign key (parent) references organization (path)
);

-- The city, its eight county-level divisions (GB/T 2260) and the Hi-Tech Zone (its statistical code is that of a town).
insert into organization (path, name) values
	('4412', '肇庆市红十字会'),
	('4412/441202', '肇庆市端州区红十字会'),
	('4412/441203', '肇庆市鼎湖区红十字会'),
	('4412/441204', '肇庆市高要区红十字会'),
	('4412/441223', '广宁县红十字会'),
	('4412/441224', '怀集县红十字会'),
	('4412/441225', '封开县红十字会'),
	('4412/441226', '德庆县红十字会'),
	('4412/441284', '四会市红十字会'),
	('4412/441284450', '肇庆高新区红十字会');
