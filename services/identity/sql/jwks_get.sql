-- shape: raw
-- tx: read
-- All keys that a token may be signed with: old ones for a day after they stopped, a coming one ten minutes before it starts.
select json_build_object('keys', coalesce(json_agg(public_jwk order by signs_from desc), '[]')) from signing_key_live
