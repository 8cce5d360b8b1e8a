/* Jobs that every service has: old idempotency keys, published events and events taken leave, a slice at a time until the backlog is gone. */
#include "common/service/runtime.h"

enum { PRUNE_EVERY_MS = 10 * 60 * 1000, SLICE_ROWS = 5000, SLICES_MAX = 400, PAUSE_MS = 100 };

struct prune_state {
	unsigned slices;
};

static enum next prune_keys(struct request *r)
{
	return request_query(r, "idempotency_prune");
}

static enum next prune_events(struct request *r)
{
	return request_query(r, "outbox_prune");
}

static enum next prune_inbox(struct request *r)
{
	return request_query(r, "inbox_prune");
}

/* A full slice: there may be more. The pause leaves the lane to requests. */
static enum next prune_rest(struct request *r)
{
	struct prune_state *p = request_state(r);
	bool full = request_column_i64(r, 0, "pruned", 0) >= SLICE_ROWS;
	if (!full || ++p->slices == SLICES_MAX || r->service->draining) return NEXT_DONE;
	return request_sleep(r, PAUSE_MS);
}

static enum next prune_again(struct request *r)
{
	job_more_time(r);
	r->step = 0;
	return NEXT_STEP;
}

static const struct step key_steps[] = { { "prune", prune_keys }, { "rest", prune_rest }, { "again", prune_again } };
static const struct step event_steps[] = { { "prune", prune_events }, { "rest", prune_rest },
	{ "again", prune_again } };
static const struct step inbox_steps[] = { { "prune", prune_inbox }, { "rest", prune_rest }, { "again", prune_again } };

const struct flow prune_flows[PRUNE_JOBS] = {
	{ "idempotency_prune", key_steps, ARRAY_LEN(key_steps), sizeof(struct prune_state) },
	{ "outbox_prune", event_steps, ARRAY_LEN(event_steps), sizeof(struct prune_state) },
	{ "inbox_prune", inbox_steps, ARRAY_LEN(inbox_steps), sizeof(struct prune_state) },
};
const struct job prune_jobs[PRUNE_JOBS] = {
	{ "idempotency_prune", PRUNE_EVERY_MS },
	{ "outbox_prune", PRUNE_EVERY_MS },
	{ "inbox_prune", PRUNE_EVERY_MS },
};
