#ifndef SERVICES_DONATIONS_PACE_H
#define SERVICES_DONATIONS_PACE_H

#include <stdint.h>

/*
 * How fast the jobs of one process may ask WeChat Pay, which takes 1,000 calls a second from a merchant and answers FREQUENCY_LIMITED
 * beyond. Ours stay far below it, evenly spaced, and rest when they are told to: a second, then twice as long each time.
 */
enum { PACE_INTERVAL_MS = 5, PACE_REST_LEAST_MS = 1000, PACE_REST_MOST_MS = 60000 };

struct pace {
	int64_t next_ms; /* the first turn that nobody has */
	int64_t rest_ms; /* how long the last rest was; 0 after a call that was taken */
	int64_t rests_until_ms;
};

/** Milliseconds until the caller's turn, which is now his. */
int64_t pace_turn(struct pace *p, int64_t now_ms);
/** Milliseconds that are left of a rest; 0: none. */
int64_t pace_rest_left(const struct pace *p, int64_t now_ms);
/** WeChat said FREQUENCY_LIMITED. Several answers that were on their way together count once. */
void pace_limited(struct pace *p, int64_t now_ms);
/** WeChat took a call. */
void pace_taken(struct pace *p, int64_t now_ms);

#endif
