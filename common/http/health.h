#ifndef COMMON_HTTP_HEALTH_H
#define COMMON_HTTP_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/* What the last ten seconds say: whether an address may be called (circuit breaker, outlier ejection), and whether a call may be
 * repeated (retry budget). Pure: the caller tells the time. */

enum { ROLLING_SLOTS = 10, ROLLING_KINDS = 3 };

/** Counts of the last ten seconds. Zeroed: none. */
struct rolling {
	uint32_t counts[ROLLING_SLOTS][ROLLING_KINDS];
	int64_t second; /* of the newest slot */
};
void rolling_add(struct rolling *r, unsigned kind, int64_t now_ms);
uint32_t rolling_sum(struct rolling *r, unsigned kind, int64_t now_ms);

enum call_outcome {
	OUTCOME_WELL,
	OUTCOME_BAD, /* an answer, but 500, 502, 503 or 504: told apart only by comparison with the others */
	OUTCOME_FAILED /* no answer, none in time, or none that can be read */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRYING };

/** Of one address. Zeroed: closed. What we refuse ourselves is never told to it. */
struct health {
	struct rolling outcomes; /* by enum call_outcome */
	enum breaker_state state;
	int64_t open_until_ms;
	int64_t open_for_ms;
	unsigned trials; /* calls out on trial */
	unsigned trials_well;
};

/** True when a call may go there; in BREAKER_TRYING only a few at a time. */
bool health_allows(struct health *h, int64_t now_ms);
/** A call goes there; true: it is on trial, and health_end must hear so. */
bool health_begin(struct health *h);
/** What became of it. Returns true when the breaker opened because of it. */
bool health_end(struct health *h, bool trial, enum call_outcome outcome, int64_t now_ms);
/** A call ended without saying anything about the address. */
void health_release(struct health *h, bool trial);
/** Opens it for a while: it is worse than its neighbours. */
void health_eject(struct health *h, int64_t now_ms);
/**
 * Index of the address that is clearly worse than the others and may be ejected, or -1: at least half of its answers are bad, those of
 * the others mostly well, and no more than half of all are out.
 */
int health_outlier(struct health *const *all, unsigned count, int64_t now_ms);

/** Repetitions: a fifth of what is sent, and three a minute whatever is sent. Zeroed: ready. */
struct retry_budget {
	struct rolling sent; /* kind 0: first tries, 1: repetitions */
	double reserve_used;
	int64_t reserve_ms;
};
void retry_budget_sent(struct retry_budget *b, int64_t now_ms);
bool retry_budget_take(struct retry_budget *b, int64_t now_ms);

#endif
