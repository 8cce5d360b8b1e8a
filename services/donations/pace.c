/* Turns and rests of the jobs' calls to WeChat Pay. */
#include "services/donations/pace.h"

int64_t pace_rest_left(const struct pace *p, int64_t now_ms)
{
	return p->rests_until_ms > now_ms ? p->rests_until_ms - now_ms : 0;
}

int64_t pace_turn(struct pace *p, int64_t now_ms)
{
	int64_t turn_ms = p->next_ms > now_ms ? p->next_ms : now_ms;
	if (turn_ms < p->rests_until_ms) turn_ms = p->rests_until_ms;
	p->next_ms = turn_ms + PACE_INTERVAL_MS;
	return turn_ms - now_ms;
}

void pace_limited(struct pace *p, int64_t now_ms)
{
	if (pace_rest_left(p, now_ms)) return;
	p->rest_ms = p->rest_ms ? 2 * p->rest_ms : PACE_REST_LEAST_MS;
	if (p->rest_ms > PACE_REST_MOST_MS) p->rest_ms = PACE_REST_MOST_MS;
	p->rests_until_ms = now_ms + p->rest_ms;
}

void pace_taken(struct pace *p, int64_t now_ms)
{
	if (!pace_rest_left(p, now_ms)) p->rest_ms = 0;
}
