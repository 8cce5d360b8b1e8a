#ifndef GATEWAY_NONCES_H
#define GATEWAY_NONCES_H

#include "common/core/list.h"
#include "common/crypto/crypto.h"
#include "gateway/internal.h"

/*
 * Each signature is good for one request. Redis is asked first and can only say no: a nonce that it knows is refused there, which
 * keeps floods of replays from the database. What it lets pass (or what comes while it is away, young, or restored from an older
 * state) is decided in PostgreSQL, by a unique row, through the identity service. So it does not matter what Redis has forgotten,
 * and there is no moment of changing over. When PostgreSQL cannot be asked, nobody is let in.
 */
struct nonces;

/** Somebody who waits for a claim; `outcome` is set before wake: ERR_NONE, ERR_SIGNATURE_REPLAYED, ERR_UNAVAILABLE. */
struct nonce_wait {
	enum err outcome;
	void (*wake)(struct nonce_wait *w);
};

/** `redis` absent: PostgreSQL alone. */
struct nonces *nonces_new(struct internal *internal, struct str redis);
/** Those who still wait hear ERR_UNAVAILABLE. After the upstreams are gone, before the loop is. NULL is fine. */
void nonces_free(struct nonces *n);
/** Claims; `w` is woken later unless this fails: ERR_BUSY, ERR_UNAVAILABLE. */
MUST_USE enum err nonces_claim(struct nonces *n, const unsigned char digest[SHA256_BYTES], struct nonce_wait *w);

#endif
