/* Who may call from a browser on another origin. Pure decisions; the fields are written in respond.c. */
#include "gateway/cors.h"

enum { ORIGINS_MAX = 64 };

#define ALLOW_HEADERS                                                                                                  \
	"Authorization, X-API-Key, Content-Type, Accept-Language, Idempotency-Key, If-Match, "                         \
	"If-None-Match, X-HTTP-Method-Override, traceparent, tracestate"
#define EXPOSE_HEADERS                                                                                                 \
	"ETag, Location, Link, Content-Disposition, Retry-After, WWW-Authenticate, Idempotency-Replayed, Request-Id, " \
	"RateLimit, RateLimit-Policy"

const struct str CORS_ALLOW_HEADERS = { ALLOW_HEADERS, sizeof ALLOW_HEADERS - 1 };
const struct str CORS_EXPOSE_HEADERS = { EXPOSE_HEADERS, sizeof EXPOSE_HEADERS - 1 };

void cors_read(struct cors *c, struct arena *boot, struct str list)
{
	struct str *origins = arena_array(boot, ORIGINS_MAX, sizeof *origins);
	struct str part;
	*c = (struct cors){ .origins = origins };
	while (origins && str_cut(&list, ',', &part)) {
		part = str_trim(part);
		if (str_eq(part, STR("*")))
			c->any = true;
		else if (part.n && c->origin_count < ORIGINS_MAX)
			origins[c->origin_count++] = part;
	}
}

enum cors_verdict cors_decide(const struct cors *c, struct str origin, bool public_operation)
{
	if (!origin.p) return CORS_ABSENT;
	for (unsigned i = 0; i < c->origin_count; i++)
		if (str_eq(c->origins[i], origin)) return CORS_ORIGIN;
	return c->any && public_operation ? CORS_ANY : CORS_FORBIDDEN;
}
