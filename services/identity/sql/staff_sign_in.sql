-- shape: one
-- tx: write
select o_opened as opened, o_device_added as device_added
from staff_sign_in(:flow.subject::uuid, :flow.password_was::bytea, :flow.grants_revoked::bigint, :flow.totp_step::bigint, :flow.session::uuid,
    :flow.wanted::text, decode(:flow.refresh_sha256::text, 'hex'), :flow.network_shown::text, :flow.device::text, :flow.lane::text,
    decode(:flow.device_sha256::text, 'hex'), decode(:flow.new_device_sha256::text, 'hex'), :flow.proof_bucket::text, :flow.pair_bucket::text, :flow.wide_bucket::text,
    :flow.user_bucket::text, :flow.network_bucket::text)
