-- Leaves and campaigns have effects here.
create or replace function inbox_wants(p_stream text, p_type text, p_leaf boolean) returns boolean
language sql immutable as $$ select p_leaf or p_type = 'campaign.changed' $$;
