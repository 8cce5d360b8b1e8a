#ifndef COMMON_HTTP_SIGNATURE_H
#define COMMON_HTTP_SIGNATURE_H

#include "common/http/structured.h"

/* The text side of HTTP Message Signatures (RFC 9421) and digest fields (RFC 9530): what was signed, with what. No cryptography. */

enum { SIGNATURE_FIELD_BYTES_MAX = 4096, SIGNATURE_COMPONENTS_MAX = 32, SIGNATURE_BYTES_MAX = 1024 };

struct message_signature {
	struct str label;
	const struct sf_item *input; /* the covered components, with the signature's parameters */
	struct str bytes;
	struct str keyid, alg, nonce; /* absent when not said */
	int64_t created, expires; /* 0 when not said */
};

/** What a request says of itself; all parts as on the wire, seen from outside. */
struct signed_message {
	struct str method;
	struct str scheme;
	struct str authority; /* lower case, without the scheme's default port */
	struct str path; /* raw */
	struct str query; /* raw, absent without '?' */
	struct http_fields fields;
};

/** True when the message has a Signature or a Signature-Input field, whatever is in it. */
bool signature_shown(struct http_fields fields);
/**
 * Reads the one signature of a message. Fails: ERR_SYNTAX: not of that grammar, more or fewer than one, too long, parameters of the
 * wrong type, a component named twice; ERR_MEMORY.
 */
MUST_USE enum err signature_read(struct arena *a, struct http_fields fields, struct message_signature *out);
/** True when the component is covered, as such (without parameters). */
bool signature_covers(const struct message_signature *s, struct str component);
/**
 * The signature base (RFC 9421 2.5). Known are the derived components of requests and whole fields. ERR_SYNTAX when a component is
 * unknown, has parameters that are not, or the message does not have it.
 */
MUST_USE enum err signature_base(
    struct arena *a, const struct message_signature *s, const struct signed_message *m, struct str *out);

struct content_digests {
	struct str sha256; /* bytes; absent when not said */
	struct str sha512;
};

enum { DIGEST_SHA256_BYTES = 32, DIGEST_SHA512_BYTES = 64 };
/** Reads Content-Digest; algorithms that are neither of the two are passed over. ERR_SYNTAX when the field is not one, or has none of them. */
MUST_USE enum err content_digests_read(struct arena *a, struct http_fields fields, struct content_digests *out);

#endif
