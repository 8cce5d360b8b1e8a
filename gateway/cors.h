#ifndef GATEWAY_CORS_H
#define GATEWAY_CORS_H

#include "common/core/arena.h"

/* Cross-origin access (WHATWG Fetch). Credentials are never allowed: we take bearer tokens, not cookies. */
struct cors {
	const struct str *origins;
	unsigned origin_count;
	bool any; /* "*": any origin may use public operations */
};

enum cors_verdict {
	CORS_ABSENT /* no Origin */,
	CORS_FORBIDDEN,
	CORS_ORIGIN /* answer with the origin */,
	CORS_ANY /* answer "*" */
};

/** Reads YG_CORS_ORIGINS: comma list of exact origins, "*" among them or not. */
void cors_read(struct cors *c, struct arena *boot, struct str list);
static inline bool cors_enabled(const struct cors *c)
{
	return c->any || c->origin_count > 0;
}
enum cors_verdict cors_decide(const struct cors *c, struct str origin, bool public_operation);

extern const struct str CORS_ALLOW_HEADERS;
extern const struct str CORS_EXPOSE_HEADERS;

#endif
