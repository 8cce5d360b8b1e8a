#ifndef GATEWAY_CACHE_CACHE_H
#define GATEWAY_CACHE_CACHE_H

#include "common/service/metrics.h"
#include "gateway/cache/flight.h"
#include "gateway/cache/l2.h"
#include "gateway/cache/monotone.h"
#include "gateway/cache/store.h"

/* The cache of one process: both levels, what has been purged, who waits for whom. Routes of both kinds share it. */

enum cache_outcome {
	CACHE_HIT, /* fresh, from this process */
	CACHE_HIT_SHARED, /* fresh, from Redis */
	CACHE_STALE, /* while it is renewed, or because the origin failed */
	CACHE_RENEWED, /* the origin said that it is still good */
	CACHE_COLLAPSED, /* waited for somebody else's question */
	CACHE_MISS,
	CACHE_BYPASS, /* not to be answered from here */
	CACHE_OUTCOMES
};

struct cache {
	struct loop *loop;
	struct store *store;
	struct flights *flights;
	struct tags *tags;
	struct l2 *l2; /* NULL: no Redis */
	bool keeps; /* false: switched off, every request goes to its service */
	struct monotone *monotone;
	uint64_t *outcomes[CACHE_OUTCOMES];
	uint64_t *hit_bytes;
};

struct cache_config {
	struct loop *loop;
	size_t bytes_max;
	struct str redis; /* absent: this process alone */
	bool shared; /* answers stand in Redis too */
	struct metrics *metrics;
};

/** NULL (logged) when the address of Redis is not one. */
struct cache *cache_new(const struct cache_config *config);
/** Before the loop ends: nothing is asked of Redis any more, no timer runs. NULL is fine. */
void cache_stop(struct cache *c);
/** After it has ended. NULL is fine. */
void cache_free(struct cache *c);

/** As in metrics and logs: "hit", "stale", … */
struct str cache_outcome_name(enum cache_outcome outcome);

static inline void cache_count(struct cache *c, enum cache_outcome outcome)
{
	++*c->outcomes[outcome];
}

#endif
