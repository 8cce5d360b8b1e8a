#ifndef GATEWAY_CREDENTIALS_H
#define GATEWAY_CREDENTIALS_H

#include "common/http/message.h"
#include "gateway/keyring.h"
#include "gateway/revocations.h"

/*
 * From what a client shows (access token, API key, nothing) to who it is and the sealed statement for the services. Answers are
 * remembered, so that a client that comes again costs one hash look-up: no signature check, no MAC.
 */

enum credential_kind {
	CREDENTIAL_NONE,
	CREDENTIAL_TOKEN,
	CREDENTIAL_API_KEY,
	CREDENTIAL_SIGNATURE, /* of the request itself: no secret in it */
	CREDENTIAL_OTHER /* Basic or unknown: not ours to check */
};

struct credential {
	enum credential_kind kind;
	struct str secret;
};

/** Pure. ERR_MALFORMED_REQUEST: more than one credential, or one without its secret. */
MUST_USE enum err credential_read(struct http_fields fields, struct credential *out);

struct caller {
	struct principal principal;
	struct str identity; /* value of X-Yangguang-Identity */
};

struct credentials;
enum {
	TOKENS_MAX = 4096,
	API_KEYS_MAX = 1024,
	API_KEY_BYTES_MIN = 16,
	API_KEY_BYTES_MAX = 256,
	API_KEY_FLIGHTS_MAX = 256,
	API_KEY_WAITS_MAX = 1024
};

struct credentials *credentials_new(struct internal *internal, struct keyring *keyring, struct revocations *revocations,
    const struct token_issuer *issuer, struct metrics *metrics);
void credentials_free(struct credentials *c);
/** Forgets everything remembered: the keys have changed. */
void credentials_flush(struct credentials *c);

/** Somebody who waits for an API key to be resolved; `outcome` is set before wake. */
struct credential_wait {
	struct list link;
	enum err outcome;
	void (*wake)(struct credential_wait *w);
};

/** Who it is; strings of *out live in the arena. */
MUST_USE enum err credentials_anonymous(struct credentials *c, struct arena *a, int64_t now_s, struct caller *out);
/** From memory only. ERR_RETRY: not remembered; go on with credentials_verify or credentials_resolve. ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED. */
MUST_USE enum err credentials_token(
    struct credentials *c, struct arena *a, struct str token, int64_t now_s, struct caller *out);
MUST_USE enum err credentials_api_key(
    struct credentials *c, struct arena *a, struct str key, int64_t now_s, struct caller *out);
/** Checks the token's signature and claims, and remembers it. ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED; ERR_UNAVAILABLE before the first key set. */
MUST_USE enum err credentials_verify(
    struct credentials *c, struct arena *a, struct str token, int64_t now_s, struct caller *out);
/** Somebody whose proof was found right: copied, sealed, and refused when it has expired or was revoked (ERR_TOKEN_EXPIRED, ERR_TOKEN_INVALID). */
MUST_USE enum err credentials_vouch(
    struct credentials *c, struct arena *a, const struct principal *p, int64_t now_s, struct caller *out);
/** Asks the identity service about the key; `w` is woken later, then credentials_api_key knows. ERR_BUSY, or the failure to send. */
MUST_USE enum err credentials_resolve(struct credentials *c, struct str key, struct credential_wait *w);

#endif
