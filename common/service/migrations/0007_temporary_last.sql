-- A session's own tables come first in a function that does not name pg_temp: what a rule looks at, or a definer's function, could be put in
-- their place by whoever may make temporary tables. All of this schema's functions look there last (migrate.c says so to those that follow).
do $$
declare
    f record;
begin
    for f in select p.oid::regprocedure as name, substr(c, length('search_path=') + 1) as path from pg_proc p, unnest(p.proconfig) c
             where p.pronamespace = current_schema()::regnamespace and c like 'search\_path=%' and c not like '%pg\_temp' loop
        execute format('alter function %s set search_path = %s, pg_temp', f.name, f.path);
    end loop;
end $$;
