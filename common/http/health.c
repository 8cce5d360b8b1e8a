/* Breaker, ejection and retry budget, all from the same rolling counts. */
#include "common/http/health.h"

#include "common/core/check.h"

enum {
	VOLUME_MIN = 20, /* fewer calls say nothing */
	OUTLIER_VOLUME_MIN = 10,
	OPEN_FIRST_MS = 1000,
	OPEN_MOST_MS = 30000,
	TRIALS_AT_ONCE = 2,
	TRIALS_WELL = 3,
	BUDGET_PART = 5, /* one repetition per so many calls */
	RESERVE = 3,
	RESERVE_MS = 60000,
};

static void roll(struct rolling *r, int64_t now_ms)
{
	int64_t second = now_ms / 1000, steps = second - r->second;
	if (steps <= 0) return;
	if (steps > ROLLING_SLOTS) steps = ROLLING_SLOTS;
	for (int64_t i = 0; i < steps; i++)
		for (unsigned k = 0; k < ROLLING_KINDS; k++) r->counts[(second - i) % ROLLING_SLOTS][k] = 0;
	r->second = second;
}

void rolling_add(struct rolling *r, unsigned kind, int64_t now_ms)
{
	roll(r, now_ms);
	r->counts[r->second % ROLLING_SLOTS][kind]++;
}

uint32_t rolling_sum(struct rolling *r, unsigned kind, int64_t now_ms)
{
	uint32_t sum = 0;
	roll(r, now_ms);
	for (unsigned i = 0; i < ROLLING_SLOTS; i++) sum += r->counts[i][kind];
	return sum;
}

bool health_allows(struct health *h, int64_t now_ms)
{
	if (h->state == BREAKER_CLOSED) return true;
	if (h->state == BREAKER_OPEN && now_ms >= h->open_until_ms) {
		h->state = BREAKER_TRYING;
		h->trials = h->trials_well = 0;
	}
	return h->state == BREAKER_TRYING && h->trials < TRIALS_AT_ONCE;
}

bool health_begin(struct health *h)
{
	if (h->state != BREAKER_TRYING) return false;
	h->trials++;
	return true;
}

static void open_breaker(struct health *h, int64_t now_ms)
{
	h->open_for_ms = h->open_for_ms ? h->open_for_ms * 2 : OPEN_FIRST_MS;
	if (h->open_for_ms > OPEN_MOST_MS) h->open_for_ms = OPEN_MOST_MS;
	h->state = BREAKER_OPEN;
	h->open_until_ms = now_ms + h->open_for_ms;
	h->outcomes = (struct rolling){ .second = now_ms / 1000 };
}

void health_eject(struct health *h, int64_t now_ms)
{
	open_breaker(h, now_ms);
}

void health_release(struct health *h, bool trial)
{
	if (trial && h->state == BREAKER_TRYING && h->trials) h->trials--;
}

/* Trials decide; calls from before the breaker opened no longer count. */
static bool end_trial(struct health *h, bool trial, enum call_outcome outcome, int64_t now_ms)
{
	if (h->state != BREAKER_TRYING || !trial) return false;
	health_release(h, trial);
	if (outcome != OUTCOME_WELL) {
		open_breaker(h, now_ms);
		return true;
	}
	if (++h->trials_well < TRIALS_WELL) return false;
	h->state = BREAKER_CLOSED;
	h->open_for_ms = 0;
	return false;
}

bool health_end(struct health *h, bool trial, enum call_outcome outcome, int64_t now_ms)
{
	if (h->state != BREAKER_CLOSED) return end_trial(h, trial, outcome, now_ms);
	rolling_add(&h->outcomes, outcome, now_ms);
	if (outcome != OUTCOME_FAILED) return false;
	uint32_t failed = rolling_sum(&h->outcomes, OUTCOME_FAILED, now_ms);
	uint32_t all =
	    failed + rolling_sum(&h->outcomes, OUTCOME_WELL, now_ms) + rolling_sum(&h->outcomes, OUTCOME_BAD, now_ms);
	if (all < VOLUME_MIN || failed * 2 < all) return false;
	open_breaker(h, now_ms);
	return true;
}

/* Per thousand of its calls that went wrong; -1: too few to say. */
static int badness(struct health *h, int64_t now_ms)
{
	uint32_t bad =
	    rolling_sum(&h->outcomes, OUTCOME_BAD, now_ms) + rolling_sum(&h->outcomes, OUTCOME_FAILED, now_ms);
	uint32_t all = bad + rolling_sum(&h->outcomes, OUTCOME_WELL, now_ms);
	return all < OUTLIER_VOLUME_MIN ? -1 : (int)((uint64_t)bad * 1000 / all);
}

int health_outlier(struct health *const *all, unsigned count, int64_t now_ms)
{
	unsigned out = 0, measured = 0;
	int worst = -1, worst_badness = -1, others = 0;
	for (unsigned i = 0; i < count; i++) {
		if (all[i]->state != BREAKER_CLOSED) {
			out++;
			continue;
		}
		int bad = badness(all[i], now_ms);
		if (bad < 0) continue;
		measured++;
		others += bad;
		if (bad <= worst_badness) continue;
		worst = (int)i;
		worst_badness = bad;
	}
	if (measured < 2 || worst_badness < 500 || (out + 1) * 2 > count) return -1;
	others = (others - worst_badness) / (int)(measured - 1);
	return others <= 200 ? worst : -1;
}

void retry_budget_sent(struct retry_budget *b, int64_t now_ms)
{
	rolling_add(&b->sent, 0, now_ms);
}

bool retry_budget_take(struct retry_budget *b, int64_t now_ms)
{
	uint32_t sent = rolling_sum(&b->sent, 0, now_ms), repeated = rolling_sum(&b->sent, 1, now_ms);
	if ((repeated + 1) * BUDGET_PART > sent) {
		b->reserve_used -= (double)(now_ms - b->reserve_ms) * RESERVE / RESERVE_MS;
		if (b->reserve_used < 0) b->reserve_used = 0;
		b->reserve_ms = now_ms;
		if (b->reserve_used > RESERVE - 1) return false;
		b->reserve_used += 1;
	}
	rolling_add(&b->sent, 1, now_ms);
	return true;
}
