#ifndef GATEWAY_PROOF_H
#define GATEWAY_PROOF_H

#include "common/http/signature.h"

/*
 * Requests that a partner has signed (RFC 9421, RFC 9530): what must be signed, when, with what; the steps are in proof.c. The rules
 * are pure and stand in proof_rules.c.
 */
struct gateway;

enum {
	PROOF_WINDOW_S = 300, /* how far `created` may be from our clock, either way */
	NONCE_BYTES_MIN = 16,
	NONCE_BYTES_MAX = 128,
};

enum proof_outcome { PROOF_ACCEPTED, PROOF_REFUSED, PROOF_REPLAYED, PROOF_UNDECIDED, PROOF_OUTCOMES };

/** What we ask for, for Accept-Signature (RFC 9421 5.1). */
#define PROOF_WANTED                                                                                                   \
	STR("sig1=(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\" "                                   \
	    "\"idempotency-key\");created;keyid;alg;nonce")

/** YG_PUBLIC_URL taken apart, as RFC 9421 2.2 wants its parts: lower case, no default port. */
struct public_url {
	struct str scheme;
	struct str authority;
	struct str path; /* before every path of ours; mostly empty */
};

/** A refusal: static texts for people. en NULL: none. */
struct proof_fault {
	const char *en, *zh;
};

void public_url_read(struct arena *a, struct str url, struct public_url *out);
/** Syntax, parameters, time, coverage, nonce: all that needs neither a key nor the body's digest. ERR_SIGNATURE_INVALID with *fault. */
MUST_USE enum err proof_rules(const struct message_signature *s, struct http_fields fields, bool has_body,
    int64_t now_s, struct proof_fault *fault);
/** Content-Digest against the body as sent, every digest that it gives. ERR_DIGEST_MISMATCH; ERR_SIGNATURE_INVALID when it is no digest. */
MUST_USE enum err proof_digest(struct arena *a, struct http_fields fields, struct str body);
/** SHA-256 of what may be used once: keyid and nonce, or keyid, idempotency key and time when there is no nonce. */
void proof_nonce(
    const struct message_signature *s, struct http_fields fields, struct buf *scratch, unsigned char out[32]);

/** Registers the counters and reads the public URL. */
void proof_open(struct gateway *g);

#endif
