-- shape: one
-- tx: write
select staff_sign_in(:flow.subject::uuid, :flow.totp_step::bigint, :flow.session::uuid, :flow.wanted::text, decode(:flow.refresh_sha256::text, 'hex'),
    :flow.network_shown::text, :flow.device::text, :flow.charged_all::boolean,
    :flow.pair_bucket::text, :flow.user_bucket::text, :flow.network_bucket::text) as opened
