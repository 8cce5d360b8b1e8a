#ifndef GATEWAY_CACHE_FLIGHT_H
#define GATEWAY_CACHE_FLIGHT_H

#include "common/net/loop.h"
#include "gateway/cache/entry.h"

/*
 * Many ask for what is not there: one goes, the others wait for what it brings. Keys whose answers turned out not to be kept are
 * remembered for a moment, so that nobody waits for nothing.
 */
struct flights;
struct flight;

enum { FLIGHT_WAITS_MAX = 4096, FLIGHT_APART_MS = 2000 };

enum flight_news {
	FLIGHT_LANDED, /* `e` is the answer, if it is the right variant */
	FLIGHT_APART, /* it cannot be shared: go alone */
	FLIGHT_LEAD, /* the one before failed: go, on behalf of those who still wait */
	FLIGHT_FAILED, /* twice: say so */
	FLIGHT_LATE /* the deadline has passed */
};

struct flight_wait {
	struct list link;
	int64_t deadline_ms;
	/** Told once, later. FLIGHT_LEAD: *flight is the caller's to end. */
	void (*told)(struct flight_wait *w, enum flight_news news, struct entry *e, struct flight *flight);
};

struct flights *flights_new(struct loop *l);
/** No deadlines any more: the loop ends. */
void flights_stop(struct flights *f);
/** Nobody may wait any more. */
void flights_free(struct flights *f);

enum flight_place {
	FLIGHT_PLACE_LEAD, /* *flight is the caller's to end, with flight_land, flight_scatter or flight_fail */
	FLIGHT_PLACE_WAIT,
	FLIGHT_PLACE_APART, /* this key's answers are not shared */
	FLIGHT_PLACE_FULL
};
enum flight_place flight_join(
    struct flights *f, uint64_t hash, struct str key, struct flight_wait *w, struct flight **flight);
/** Leads without waiting: false when somebody asks already. */
bool flight_lead(struct flights *f, uint64_t hash, struct str key, struct flight **flight);

/** The answer can be kept. */
void flight_land(struct flight *flight, struct entry *e);
/** It came, but is for one only. */
void flight_scatter(struct flight *flight);
/** Nothing came. */
void flight_fail(struct flight *flight);

struct flight_stats {
	uint64_t led, joined, scattered, failed;
	unsigned waiting;
};
struct flight_stats flights_stats(const struct flights *f);

#endif
