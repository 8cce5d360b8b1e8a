#ifndef SERVICES_IDENTITY_IDENTITY_H
#define SERVICES_IDENTITY_IDENTITY_H

#include "common/auth/token.h"
#include "common/service/service.h"
#include "services/identity/rules.h"

enum {
	SECRET_BYTES = 32,
	SECRET_TEXT_BYTES = 43,
	SIGNING_KEYS_MAX = 8,
	HASHES_MAX = 32,
	HASHES_OFFICE_MAX = 28, /* of logins from where staff signed in before */
	HASHES_BARE_MAX = 24, /* of logins that nothing vouches for: the rest is kept for the others */
	WECHAT_TOKEN_BYTES_MAX = 512
};

/* The keys of access tokens as last read: public and private, the one that signs among them. */
struct signing_keys {
	struct token_key items[SIGNING_KEYS_MAX];
	char kids[SIGNING_KEYS_MAX][40];
	unsigned count;
	int current; /* index, or -1 */
	int64_t read_ms; /* monotonic */
};

/* What the flows share: service_context(). */
struct identity {
	struct token_issuer issuer;
	struct str public_url;
	struct str metadata; /* the answer of oauth_metadata_get */
	struct str wechat_url, wechat_appid, wechat_secret;
	struct signing_keys keys;
	unsigned hashing; /* argon2 runs under way; more than HASHES_MAX is 503 */
	struct str bootstrap_username, bootstrap_password_sealed; /* absent when there is nothing (more) to make */
	char wechat_token[WECHAT_TOKEN_BYTES_MAX];
	size_t wechat_token_bytes;
	int64_t wechat_token_until_ms; /* monotonic */
};

extern const struct service_def identity;

/* settings.c */
MUST_USE enum err identity_start(struct service *s, struct arena *boot, void **context);

/* ── support.c: what several flows need ── */

/** bytea ⇄ text of PostgreSQL ("\x…"); absent when malformed or the arena is full. */
struct str bytea_text(struct arena *a, struct str bytes);
struct str bytea_bytes(struct arena *a, struct str text);
/** 256 random bits as 43 characters. */
struct str secret_new(struct arena *a);
/** SHA-256 as 64 lower-case digits. */
struct str sha256_hex(struct arena *a, struct str s);
/** Sets flow.network_shown and flow.device; gives the network. */
struct network note_caller(struct request *r);
/** Seals under the vault and sets the bind to the bytea text. */
MUST_USE enum err seal_bind(struct request *r, const char *bind, struct str context, struct str plain);
/** Opens what seal_bind sealed, from a bytea text. */
MUST_USE enum err unseal_text(struct request *r, struct str context, struct str text, struct str *plain);

/** Seals under the key that lies wrapped in a bytea text, and sets the bind to the bytea text. */
MUST_USE enum err seal_under(
    struct request *r, struct str wrapped_key, const char *bind, struct str context, struct str plain);
/** Opens what seal_under sealed; both are bytea texts. */
MUST_USE enum err open_under(
    struct request *r, struct str wrapped_key, struct str context, struct str sealed, struct str *plain);
/** Asks for the one key of the citizen who calls, made if there is none: the next step's wrapped_key; no row for a blocked one. */
enum next citizen_key_ask(struct request *r);

/** A password hash under way; `hash_begin` counts it, the end of the request or `hash_end` uncounts it. */
struct password_work {
	struct identity *owner;
	bool counted;
	struct arena arena; /* the hash made, used by the thread alone */
	struct str password, phc;
	enum err result;
};
/** ERR_BUSY when `most` run already. */
MUST_USE enum err hash_begin(struct request *r, struct password_work *w, struct str password, unsigned most);
void hash_end(struct password_work *w);
/** For request_work: phc from password; result from comparing both. */
void hash_make(void *work);
void hash_compare(void *work);

/* ── signing.c ── */

/* First member of the state of every flow that needs the keys; the four steps come first in its table. */
struct key_work {
	bool asked, made;
};
enum next keys_ask(struct request *r);
enum next keys_take(struct request *r);
enum next keys_ask_again(struct request *r);
enum next keys_need(struct request *r);
#define KEY_STEPS                                                                                                      \
	{ "find keys", keys_ask }, { "keys found", keys_take }, { "find keys again", keys_ask_again },                 \
	{                                                                                                              \
		"keys there", keys_need                                                                                \
	}

/** An access token for p, valid ACCESS_TOKEN_TTL_S. */
MUST_USE enum err access_token_sign(struct request *r, struct principal *p, struct str *out);
/** ERR_NONE and the principal when the token is ours, unchanged and in time. */
MUST_USE enum err access_token_verify(struct request *r, struct str token, struct principal *out);
/** The members of TokenPair, and the device token when there is one; ends the flow. */
enum next tokens_answer(struct request *r, struct principal *p, struct str refresh_token, struct str device_token);
/* Job signing_keys_rotate: a new key every 30 days. */
enum next rotate_ask(struct request *r);
enum next rotate_make(struct request *r);
enum next rotate_end(struct request *r);
struct rotate_state {
	struct key_work keys;
};
/* Job identity_prune. */
enum next prune_run(struct request *r);
enum next prune_end(struct request *r);

/* ── flow_personal.c: me_get, me_update, partner_create, partner_contact_get; job pii_reseal ── */
struct me_update_state {
	bool names_citizen;
};
enum next me_ask(struct request *r);
enum next me_answer(struct request *r);
enum next me_key(struct request *r);
enum next me_save(struct request *r);
enum next me_saved(struct request *r);
enum next partner_seal(struct request *r);
enum next partner_answer(struct request *r);
enum next contact_ask(struct request *r);
enum next contact_answer(struct request *r);
enum next reseal_ask(struct request *r);
enum next reseal_seal(struct request *r);
enum next reseal_end(struct request *r);

/* ── flow_wechat.c: auth_wechat ── */
struct wechat_state {
	struct key_work keys;
	struct str url, refresh_token;
	bool again;
	struct principal principal;
};
enum next wechat_ask(struct request *r);
enum next wechat_pause(struct request *r);
enum next wechat_ask_again(struct request *r);
enum next wechat_read(struct request *r);
enum next wechat_answer(struct request *r);

/* ── flow_staff_login.c: auth_staff ── */
enum { GRANTS_MAX = 200 };
struct staff_login_state {
	struct key_work keys;
	bool bootstrapping;
	struct password_work work;
	struct str username, password_sealed, grants_revoked, totp_secret, lane;
	struct str refresh_token, device_token;
	int64_t totp_last_step;
	bool is_active, has_totp;
	enum err refusal;
	struct grant grants[GRANTS_MAX];
	size_t grant_count;
	struct principal principal;
};
enum next login_bootstrap(struct request *r);
enum next login_find(struct request *r);
enum next login_charge(struct request *r);
enum next login_check(struct request *r);
enum next login_judge(struct request *r);
enum next login_open(struct request *r);
enum next login_answer(struct request *r);

/* ── flow_refresh.c: auth_refresh ── */
struct refresh_state {
	struct key_work keys;
	struct str presented, successor;
	struct principal principal;
	bool grants_gone;
};
enum next refresh_find(struct request *r);
enum next refresh_rotate(struct request *r);
enum next refresh_answer(struct request *r);

/* ── flow_oauth.c: oauth_token, oauth_revoke, oauth_introspect, oauth_metadata_get ── */
struct oauth_state {
	struct key_work keys;
	struct client_credentials client;
	bool basic;
	struct principal principal;
};
enum next oauth_read(struct request *r);
enum next oauth_check(struct request *r);
enum next oauth_answer(struct request *r);
enum next revoke_run(struct request *r);
enum next revoke_answer(struct request *r);
enum next introspect_verify(struct request *r);
enum next introspect_answer(struct request *r);
/** The document of RFC 8414, made once at the start; absent when it does not fit. */
struct str metadata_make(struct arena *a, struct str public_url);
enum next metadata_answer(struct request *r);

/* ── flow_phone.c: me_phone_bind; flow_openid: citizen_openid_get ── */
struct phone_state {
	bool asked, again;
	struct str phone, masked;
};
enum next phone_token_ask(struct request *r);
enum next phone_token_take(struct request *r);
enum next phone_ask(struct request *r);
enum next phone_token_renew(struct request *r);
enum next phone_token_renewed(struct request *r);
enum next phone_ask_again(struct request *r);
enum next phone_read(struct request *r);
enum next phone_seal(struct request *r);
enum next phone_answer(struct request *r);
enum next openid_find(struct request *r);
enum next openid_answer(struct request *r);

/* ── flow_password.c: me_password_change, staff_password_reset, staff_totp_confirm ── */
struct password_state {
	struct password_work old, work;
	struct str sealed;
};
/* staff_totp_confirm */
struct totp_state {
	struct password_state password;
};
enum next totp_find(struct request *r);
enum next totp_check(struct request *r);
enum next totp_keep(struct request *r);
enum next totp_confirmed(struct request *r);
enum next password_charge(struct request *r);
enum next password_check(struct request *r);
enum next password_hash_new(struct request *r);
enum next password_save(struct request *r);
enum next password_changed(struct request *r);
enum next reset_hash(struct request *r);
enum next reset_save(struct request *r);
enum next reset_done(struct request *r);

/* ── flow_admin.c: staff_create, partner_key_create, partner_signing_key_create, staff_entry_code_create, staff_totp_enrol ── */
struct staff_create_state {
	struct password_work work;
};
struct secret_state {
	struct str secret;
};
enum next staff_hash(struct request *r);
enum next staff_insert(struct request *r);
enum next staff_answer(struct request *r);
enum next partner_key_insert(struct request *r);
enum next partner_key_answer(struct request *r);
enum next partner_signing_key_insert(struct request *r);
enum next partner_signing_key_answer(struct request *r);
enum next entry_code_make(struct request *r);
enum next entry_code_show(struct request *r);
enum next totp_make(struct request *r);
enum next totp_show(struct request *r);
/** Staff who ask about themselves (path.id). */
bool is_oneself(struct request *r);

#endif
