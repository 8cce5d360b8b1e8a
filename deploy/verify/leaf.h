#ifndef DEPLOY_VERIFY_LEAF_H
#define DEPLOY_VERIFY_LEAF_H

#include "common/json/json.h"

/* A leaf of the public log: one event on one line of JSON in one spelling (README.md). */

enum { LEAF_ID_BYTES = 16, LEAF_POSTINGS_MAX = 256, LEAF_LINKS_MAX = 256, LEAF_NAME_BYTES_MAX = 128 };
#define LEAF_INTEGER_MAX ((int64_t)1 << 53) /* exclusive, either way: exact in every language's numbers */

struct leaf {
	struct str type;
	struct str id_text;
	unsigned char id[LEAF_ID_BYTES];
	struct str subject;
	const struct json *data; /* the last four may be NULL */
	const struct json *commitments;
	const struct json *postings;
	const struct json *links;
};

/** Reads and checks it. Owns: all in the arena. On false *why is a static text. */
MUST_USE bool leaf_read(struct arena *a, struct str text, struct leaf *out, const char **why);
/** The 16 bytes of a lower-case uuid other than the nil one. */
MUST_USE bool leaf_read_id(struct str text, unsigned char id[LEAF_ID_BYTES]);
/** A decimal integer without needless signs, zeros, fraction or exponent, within ±(2^53 - 1). */
MUST_USE bool leaf_read_integer(const struct json *v, int64_t *out);

#endif
