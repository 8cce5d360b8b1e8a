-- shape: list
-- tx: read
select kid, private_sealed::text as private_sealed, is_current from signing_key_live order by signs_from desc limit 8
