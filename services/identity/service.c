/* The step tables: in which order things happen. What the steps do stands in signing.c and flow_*.c. */
#include "services/identity/identity.h"

static const struct step auth_wechat[] = {
	KEY_STEPS,
	{ "ask wechat", wechat_ask },
	{ "pause", wechat_pause },
	{ "ask wechat again", wechat_ask_again }, /* once more when it was busy */
	{ "sign in", wechat_read },
	{ "answer", wechat_answer },
};

static const struct step auth_staff[] = {
	KEY_STEPS,
	{ "first administrator", login_bootstrap },
	{ "find", login_find },
	{ "charge", login_charge }, /* the attempt counts before its password is looked at */
	{ "check password", login_check }, /* in the thread pool */
	{ "judge", login_judge },
	{ "open session", login_open },
	{ "answer", login_answer },
};

static const struct step auth_refresh[] = {
	KEY_STEPS,
	{ "find", refresh_find },
	{ "rotate", refresh_rotate },
	{ "answer", refresh_answer },
};

static const struct step oauth_token[] = {
	KEY_STEPS,
	{ "read client", oauth_read },
	{ "check", oauth_check },
	{ "answer", oauth_answer },
};

static const struct step oauth_revoke[] = {
	{ "revoke", revoke_run },
	{ "answer", revoke_answer },
};

static const struct step oauth_introspect[] = {
	KEY_STEPS,
	{ "verify", introspect_verify },
	{ "answer", introspect_answer },
};

static const struct step oauth_metadata_get[] = {
	{ "answer", metadata_answer },
};

static const struct step me_phone_bind[] = {
	{ "ask token", phone_token_ask },
	{ "token", phone_token_take },
	{ "ask number", phone_ask },
	{ "renew token", phone_token_renew }, /* when wechat says it is stale */
	{ "token renewed", phone_token_renewed },
	{ "ask number again", phone_ask_again },
	{ "number", phone_read },
	{ "seal", phone_seal },
	{ "answer", phone_answer },
};

static const struct step citizen_openid_get[] = {
	{ "find", openid_find },
	{ "answer", openid_answer },
};

static const struct step staff_create[] = {
	{ "hash password", staff_hash },
	{ "insert", staff_insert },
	{ "answer", staff_answer },
};

static const struct step me_password_change[] = {
	{ "charge", password_charge },
	{ "check old", password_check }, /* in the thread pool */
	{ "hash new", password_hash_new },
	{ "save", password_save },
	{ "answer", password_changed },
};

static const struct step staff_password_reset[] = {
	{ "hash", reset_hash },
	{ "save", reset_save },
	{ "answer", reset_done },
};

static const struct step partner_key_create[] = {
	{ "insert", partner_key_insert },
	{ "answer", partner_key_answer },
};
static const struct step partner_signing_key_create[] = {
	{ "insert", partner_signing_key_insert },
	{ "answer", partner_signing_key_answer },
};

static const struct step staff_totp_enrol[] = {
	{ "make secret", totp_make },
	{ "answer", totp_show },
};

static const struct step staff_totp_confirm[] = {
	{ "charge", totp_find },
	{ "check code and password", totp_check }, /* the latter in the thread pool */
	{ "keep", totp_keep },
	{ "answer", totp_confirmed },
};

static const struct step staff_entry_code_create[] = {
	{ "make code", entry_code_make },
	{ "answer", entry_code_show },
};

static const struct step me_get[] = {
	{ "find", me_ask },
	{ "open", me_answer },
};

static const struct step me_update[] = {
	{ "key", me_key },
	{ "save", me_save },
	{ "answer", me_saved },
};

static const struct step partner_create[] = {
	{ "seal", partner_seal },
	{ "answer", partner_answer },
};

static const struct step partner_contact_get[] = {
	{ "find", contact_ask },
	{ "open", contact_answer },
};

static const struct step pii_reseal[] = {
	{ "find", reseal_ask },
	{ "seal", reseal_seal },
	{ "end", reseal_end },
};

static const struct step signing_keys_rotate[] = {
	KEY_STEPS,
	{ "due", rotate_ask },
	{ "make", rotate_make },
	{ "end", rotate_end },
};

static const struct step identity_prune[] = {
	{ "prune", prune_run },
	{ "end", prune_end },
};

#define FLOW(name, state)                                                                                              \
	{                                                                                                              \
#name, name, ARRAY_LEN(name), state                                                                    \
	}

static const struct flow flows[] = {
	FLOW(auth_wechat, sizeof(struct wechat_state)),
	FLOW(auth_staff, sizeof(struct staff_login_state)),
	FLOW(auth_refresh, sizeof(struct refresh_state)),
	FLOW(oauth_token, sizeof(struct oauth_state)),
	FLOW(oauth_revoke, 0),
	FLOW(oauth_introspect, sizeof(struct oauth_state)),
	FLOW(oauth_metadata_get, 0),
	FLOW(me_phone_bind, sizeof(struct phone_state)),
	FLOW(citizen_openid_get, 0),
	FLOW(staff_create, sizeof(struct staff_create_state)),
	FLOW(me_password_change, sizeof(struct password_state)),
	FLOW(staff_password_reset, sizeof(struct password_state)),
	FLOW(partner_key_create, sizeof(struct secret_state)),
	FLOW(partner_signing_key_create, 0),
	FLOW(staff_totp_enrol, sizeof(struct secret_state)),
	FLOW(staff_totp_confirm, sizeof(struct totp_state)),
	FLOW(staff_entry_code_create, sizeof(struct secret_state)),
	FLOW(me_get, 0),
	FLOW(me_update, sizeof(struct me_update_state)),
	FLOW(partner_create, 0),
	FLOW(partner_contact_get, 0),
	FLOW(pii_reseal, 0),
	FLOW(signing_keys_rotate, sizeof(struct rotate_state)),
	FLOW(identity_prune, 0),
};

static const struct job jobs[] = {
	{ "signing_keys_rotate", 60 * 1000 },
	{ "identity_prune", 600 * 1000 },
	{ "pii_reseal", 10 * 1000 },
};

const struct service_def identity = {
	.name = "identity",
	.flows = flows,
	.flow_count = ARRAY_LEN(flows),
	.jobs = jobs,
	.job_count = ARRAY_LEN(jobs),
	.start = identity_start,
};
