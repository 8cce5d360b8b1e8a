#ifndef GATEWAY_PLAN_H
#define GATEWAY_PLAN_H

#include "common/contract/policies.h"
#include "common/http/capacity.h"
#include "common/http/coding.h"
#include "common/service/metrics.h"
#include "gateway/cached.h"
#include "gateway/site.h"
#include "gateway/upstreams.h"

/* What the contracts say, made ready for requests: immutable, counted, replaced as a whole on SIGHUP. */

struct operation_plan { /* by operation->index */
	struct upstream *upstream;
	struct operation_metrics metrics;
	struct latency_base base; /* what it takes at its best */
	struct call_kind kind;
	int64_t timeout_ms;
	struct cached_policy cached;
	struct str log_fields; /* operation and path of an access log line, written once */
};

struct plan {
	struct arena arena;
	unsigned references;
	const struct contract *contract;
	struct operation_plan *operations;
	const struct rate_policies *policies;
	struct site site;
};

/**
 * Loads all contracts of `proto` and links them with the upstreams. Every fault is logged; ERR_CONFIG and nothing is changed.
 * `hears_purges`: this process learns of every purge (it is alone, or there is Redis); else answers are kept for seconds only.
 */
MUST_USE enum err plan_load(const char *proto, const char *policies, struct upstreams *upstreams,
    struct metrics *metrics, struct str public_url, bool hears_purges, struct plan **out);
/** Takes part in its ownership / gives up a part; the last one frees. */
struct plan *plan_share(struct plan *p);
void plan_release(struct plan *p);

/** Methods that outsiders may use on a path ("GET, HEAD, OPTIONS, POST"); absent when there is none. Internal operations do not exist here. */
struct str plan_allowed_methods(const struct plan *p, struct arena *a, struct str path);

#endif
