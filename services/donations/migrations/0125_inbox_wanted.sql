-- How far the public log has grown is all that donations hears of it.
create or replace function inbox_wants(p_stream text, p_type text, p_leaf boolean) returns boolean
language sql immutable as $$ select p_type = 'log.grown' $$;
