#ifndef GATEWAY_SIGNING_KEYS_H
#define GATEWAY_SIGNING_KEYS_H

#include "common/crypto/sign.h"
#include "gateway/credentials.h"

/*
 * The keys with which partners sign requests, as the identity service knows them: remembered for half a minute, unknown names for
 * five seconds, both bounded. One question per name at a time: later comers join it.
 */
struct signing_keys;
enum { SIGNING_KEYS_MAX = 256, SIGNING_KEYS_UNKNOWN_MAX = 1024, KEYID_BYTES_MIN = 3, KEYID_BYTES_MAX = 64 };

/** Borrowed until the loop's turn ends. */
struct signing_key {
	const struct key *key;
	struct str alg; /* the only name it may go by in a signature */
	const struct principal *principal; /* session is the key's id */
};

struct signing_keys *signing_keys_new(struct internal *internal);
void signing_keys_free(struct signing_keys *k);
/** Forgets everything remembered. */
void signing_keys_flush(struct signing_keys *k);
bool signing_keys_well_formed(struct str keyid);
/** From memory only. ERR_RETRY: not remembered, signing_keys_ask. ERR_SIGNATURE_INVALID: there is no such live key. */
MUST_USE enum err signing_keys_get(struct signing_keys *k, struct str keyid, int64_t now_s, struct signing_key *out);
/** `w` is woken when the identity service has answered; then signing_keys_get knows. ERR_BUSY, or the failure to send. */
MUST_USE enum err signing_keys_ask(struct signing_keys *k, struct str keyid, struct credential_wait *w);

#endif
