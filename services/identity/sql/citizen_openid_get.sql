-- shape: one
-- tx: read
select wrapped_key::text as wrapped_key, openid_sealed::text as openid_sealed from citizen_openid_find(:path.id::uuid, :query.appid::text)
