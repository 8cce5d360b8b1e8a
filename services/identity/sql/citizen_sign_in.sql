-- shape: one
-- tx: write
select o_citizen as citizen, o_state as state, o_created as created, o_scopes as scopes
from citizen_sign_in('wechat', :flow.appid::text, :flow.openid_index::text, :new.id::uuid, :flow.wrapped_key::bytea, :flow.openid_sealed::bytea,
    :flow.unionid_index::text, :flow.unionid_sealed::bytea, :flow.session_key_sealed::bytea, :flow.session::uuid, decode(:flow.refresh_sha256::text, 'hex'),
    'mini-program', :flow.network_shown::text, :flow.device::text)
