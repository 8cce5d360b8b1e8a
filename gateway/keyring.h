#ifndef GATEWAY_KEYRING_H
#define GATEWAY_KEYRING_H

#include "common/auth/token.h"
#include "common/core/list.h"
#include "common/service/metrics.h"
#include "gateway/internal.h"

/*
 * The identity service's public keys (JWKS): fetched at boot, every minute, and at most every five seconds when a token names a
 * key we do not know. The last good set stays in use when a fetch fails.
 */
struct keyring;

struct keyring *keyring_new(struct internal *internal, struct metrics *metrics, void (*changed)(void *arg), void *arg);
void keyring_free(struct keyring *k);
bool keyring_loaded(const struct keyring *k);
/** Fetches now unless a fetch runs. */
void keyring_refresh(struct keyring *k);
/** Verifies with the present set, as token_verify_old. */
MUST_USE enum err keyring_verify(const struct keyring *k, struct arena *a, const struct token_issuer *issuer,
    struct str token, int64_t now_s, struct principal *out);

/** Somebody who waits for a fetch to end. */
struct keyring_wait {
	struct list link;
	void (*wake)(struct keyring_wait *w);
};
enum { KEYRING_WAITS_MAX = 1024 };
/**
 * When the token names a key that is not in the set and a fetch runs or may begin: true, and `w` is woken when it ends. Otherwise
 * false: the present set decides.
 */
bool keyring_ask(struct keyring *k, struct str token, struct keyring_wait *w);

#endif
