#ifndef COMMON_HTTP_CAPACITY_H
#define COMMON_HTTP_CAPACITY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How many calls an upstream is given at a time. The limit shrinks when most answers take much longer than they do at their best, and
 * grows while it is used up and answers are quick. Each kind of call is compared with itself, and one slow answer counts no more
 * than twice a normal one, so that a few slow operations (a payment provider's) do not take the room of the quick ones. Pure.
 */

/** What a kind of call (an operation) takes at its best. Zeroed: not known yet. */
struct latency_base {
	double best_us; /* the lowest mean of a second; drifts upwards slowly, more so when there was no pressure */
	double sum_us;
	unsigned count;
	int64_t second;
	double p95_us; /* all but one of twenty are quicker, about */
	unsigned answers; /* that it was learned from; it stops at LATENCY_ANSWERS_ENOUGH */
};
enum { LATENCY_ANSWERS_ENOUGH = 100 };

struct capacity {
	double limit;
	unsigned least; /* never below; at least 2 */
	unsigned most;
	int64_t window_ms; /* when the present window began */
	double slowness; /* sum over the window's answers; 1 each is just acceptable */
	unsigned answers;
	bool used_up; /* the limit was reached in this window */
};

void capacity_init(struct capacity *c, unsigned least, unsigned first, unsigned most);
/** A call of this kind was answered (or ran out of time) after took_us. `base` NULL: says nothing. */
void capacity_answered(struct capacity *c, struct latency_base *base, int64_t took_us, int64_t now_ms);
/** Somebody had to wait, or the last place was taken. */
static inline void capacity_used_up(struct capacity *c)
{
	c->used_up = true;
}
static inline unsigned capacity_limit(const struct capacity *c)
{
	return (unsigned)c->limit;
}

#endif
