#ifndef GATEWAY_LIMIT_LIMITS_H
#define GATEWAY_LIMIT_LIMITS_H

#include "common/contract/policies.h"
#include "common/core/list.h"
#include "common/net/loop.h"
#include "common/service/metrics.h"

/*
 * Rate limits that all gateways keep together. The count is in Redis; a process takes it in small leases, so that most requests ask
 * nobody. Without Redis each process keeps the same limits by itself. Nobody waits longer than LIMIT_WAIT_MS for a verdict.
 */
struct limits;
enum { LIMIT_WAIT_MS = 10 };

struct limits_config {
	struct str redis; /* absent: every process by itself */
	struct str
	    key; /* what clients' names are hashed with, so that Redis sees none; the same in all gateways. Copied */
	size_t clients_max; /* default 65536 */
	unsigned share; /* processes that share a limit when Redis is away; default 1 */
};

struct limits *limits_new(struct loop *l, const struct limits_config *config, struct metrics *m);
/** After the identity key was changed: all gateways must name clients alike. */
void limits_set_key(struct limits *l, struct str key);
/** Whether all gateways keep one count now. */
bool limits_are_shared(const struct limits *l);
/** Who waits gets a verdict of this process alone, at once. */
void limits_free(struct limits *l);

enum limit_verdict { LIMIT_PASS, LIMIT_REFUSE, LIMIT_WAIT };

/** What to tell the client: the window nearest to its end. */
struct limit_state {
	const struct rate_limit *limit; /* NULL: not limited */
	unsigned window;
	int64_t left;
	int64_t reset_s; /* when there is more */
	int64_t retry_after_s; /* refused: when all windows have room again */
	unsigned violated; /* refused: bit per window */
};

struct limit_wait {
	struct list link;
	const struct rate_limit *limit;
	struct limit_state *state;
	void (*wake)(
	    struct limit_wait *w, enum limit_verdict verdict); /* LIMIT_PASS or LIMIT_REFUSE, later, from PHASE_RUN */
};

/**
 * Books one request of `client` (an address or an id) if its limit allows, and fills *state.
 * LIMIT_WAIT: Redis is asked; w->wake tells the end, LIMIT_WAIT_MS later at the latest (plus the present turn of the loop).
 * `w` NULL: nobody waits. What this process knows decides, and Redis is told afterwards: not exact over several gateways, but a
 * request goes on in the turn it came in (and pipelined ones do not pile up before the first answer).
 */
enum limit_verdict limits_check(struct limits *l, const struct rate_limit *limit, struct str client,
    struct limit_state *state, struct limit_wait *w);

#endif
