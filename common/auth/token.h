#ifndef COMMON_AUTH_TOKEN_H
#define COMMON_AUTH_TOKEN_H

#include "common/auth/principal.h"
#include "common/crypto/sign.h"

/* Access tokens: JWT as RFC 9068 profiles it (typ at+jwt, iss, sub, aud, exp, iat, jti, client_id, scope, plus sid, kind, org, and
 * cnf with x5t#S256 of RFC 8705). */

enum { TOKEN_BYTES_MAX = 2048, TOKEN_SKEW_S = 5, ACCESS_TOKEN_TTL_S = 900 /* of every token of ours */ };

struct token_key {
	struct str kid;
	struct key *key;
};

struct token_issuer {
	struct str issuer;
	struct str audience;
};

/** Signs p as an access token valid until p->expires_s. ERR_SYNTAX: not a valid, known principal, or no jti; longer than TOKEN_BYTES_MAX. */
MUST_USE enum err token_sign(struct arena *a, const struct token_issuer *i, const struct token_key *k,
    const struct principal *p, struct str jti, int64_t now_s, struct str *out);

struct token_keys {
	const struct token_key *items;
	unsigned count;
};

/**
 * Verifies signature, typ, alg (that of the key that kid names, never the token's choice), iss, aud, exp, iat, nbf. The header may
 * hold alg, typ and kid only: crit, b64, jwk, jku, x5u and whatever else is refused. TOKEN_SKEW_S of leeway on all times.
 * Fails: ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED. out borrows from the arena.
 */
MUST_USE enum err token_verify(struct arena *a, const struct token_issuer *i, const struct token_keys *keys,
    struct str token, int64_t now_s, struct principal *out);
/** The same for who remembers refusals: ERR_TOKEN_EXPIRED means that nothing else is wrong, and *out is whom it was given to. */
MUST_USE enum err token_verify_old(struct arena *a, const struct token_issuer *i, const struct token_keys *keys,
    struct str token, int64_t now_s, struct principal *out);

enum { JWKS_KEYS_MAX = 16, JWKS_BYTES_MAX = 64 * 1024 };
/**
 * JWK Set text ⇄ keys. Keys of other types or curves, for other uses, or without kid are skipped; a malformed one of a known type,
 * a private one, or two with the same kid spoil the set (ERR_SYNTAX, nothing to free). Keys are owned by the caller (jwks_free).
 * Written are the public parts only.
 */
MUST_USE enum err jwks_read(struct arena *a, struct str json, struct token_keys *out);
MUST_USE enum err jwks_write(struct arena *a, const struct token_keys *keys, struct str *out);
/** key_free for each; the set is empty afterwards. */
void jwks_free(struct token_keys *keys);

#endif
