-- shape: one
-- tx: read
-- True when there is no key younger than 30 days.
select not exists (select from signing_key_live where signs_from > now() - interval '30 days') as due
