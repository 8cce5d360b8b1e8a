-- shape: list
-- tx: read
select kind, id, wrapped_key::text as wrapped_key, clear from pii_clear_list()
