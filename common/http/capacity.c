/* The limit is looked at every tenth of a second, when enough answers speak for themselves. */
#include "common/http/capacity.h"

#include <math.h>

#include "common/core/check.h"

enum {
	WINDOW_MS = 100,
	WINDOW_LONG_MS = 1000, /* few answers speak too, after so long */
	WINDOW_ANSWERS = 10,
	ANSWERS_MIN = 3,
	GRACE_US =
	    50000, /* quicker than this is quick, whatever it was at its best: calls that share a turn or a commit delay each other */
};
static const double TOLERANCE = 2, SLOWEST = 2, SHRINK_MOST = 0.5, DRIFT_CALM = 0.05, DRIFT_PRESSED = 0.002;

void capacity_init(struct capacity *c, unsigned least, unsigned first, unsigned most)
{
	CHECK(least >= 2 && least <= first && first <= most);
	*c = (struct capacity){ .limit = first, .least = least, .most = most };
}

/* It goes up nineteen steps for one that is slower, and down one for one that is not: so it rests where one of twenty is slower. */
static void learn_p95(struct latency_base *base, double took_us)
{
	double step = base->p95_us / 256 + 5;
	if (base->p95_us <= 0) base->p95_us = took_us;
	base->p95_us += took_us > base->p95_us ? 19 * step : -step;
	if (base->answers < LATENCY_ANSWERS_ENOUGH) base->answers++;
}

static void learn(struct latency_base *base, bool pressed, int64_t took_us, int64_t now_ms)
{
	learn_p95(base, (double)took_us);
	int64_t second = now_ms / 1000;
	if (second != base->second) {
		double mean = base->count ? base->sum_us / base->count : 0;
		if (base->count && (base->best_us <= 0 || mean < base->best_us))
			base->best_us = mean;
		else if (base->count)
			base->best_us += (mean - base->best_us) * (pressed ? DRIFT_PRESSED : DRIFT_CALM);
		base->second = second;
		base->sum_us = 0;
		base->count = 0;
	}
	base->sum_us += (double)took_us;
	base->count++;
	if (base->best_us <= 0) base->best_us = (double)took_us; /* better than nothing for the first second */
}

static void adapt(struct capacity *c)
{
	double mean = c->slowness / c->answers;
	if (mean > 1) {
		double factor = 1 / mean;
		c->limit *= factor > SHRINK_MOST ? factor : SHRINK_MOST;
	} else if (c->used_up) {
		c->limit += sqrt(c->limit);
	}
	if (c->limit < c->least) c->limit = c->least;
	if (c->limit > c->most) c->limit = c->most;
}

void capacity_answered(struct capacity *c, struct latency_base *base, int64_t took_us, int64_t now_ms)
{
	if (!base) return;
	double slowness = (double)took_us / (TOLERANCE * base->best_us + GRACE_US);
	c->slowness += slowness < SLOWEST ? slowness : SLOWEST;
	c->answers++;
	learn(base, c->used_up, took_us, now_ms);
	int64_t age_ms = now_ms - c->window_ms;
	if (age_ms < WINDOW_MS || c->answers < (age_ms < WINDOW_LONG_MS ? WINDOW_ANSWERS : ANSWERS_MIN)) return;
	adapt(c);
	c->window_ms = now_ms;
	c->slowness = 0;
	c->answers = 0;
	c->used_up = false;
}
