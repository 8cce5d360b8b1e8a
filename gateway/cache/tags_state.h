#ifndef GATEWAY_CACHE_TAGS_STATE_H
#define GATEWAY_CACHE_TAGS_STATE_H

#include "common/cache/purge.h"
#include "gateway/cache/tags.h"
#include "gateway/cache/waits.h"

/* Inside tags*.c only: tags.c judges and keeps in step with Redis, tags_purge.c carries purges and comparisons there. */

enum { TAGS_SLOTS = 65536, TAGS_PURGES_PENDING_MAX = 1000 };

/** The last purge of the tags that share this slot. */
struct tags_row {
	int64_t seq;
	uint64_t local; /* of a purge that Redis has not numbered yet; 0: none */
};

struct tags {
	struct loop *loop;
	struct redis *redis; /* NULL: this process alone */
	struct redis *subscription;
	struct timer *timer;
	struct waits waits;
	struct tags_stamp now;
	int64_t floor;
	bool in_step;
	bool asking; /* for the number, after which we are in step */
	bool ask_again; /* what is asked now will be too old */
	bool beating;
	bool freed;
	int64_t ahead; /* greatest number told while not in step */
	int64_t heard_ms; /* last message, or the subscription's beginning */
	int64_t asked_ms;
	struct list purges; /* not confirmed yet, oldest first */
	unsigned purge_count;
	void (*filled)(void *arg, struct str hash, bool stored);
	void *filled_arg;
	struct loop_task release_task;
	uint64_t *purged_total;
	uint64_t *messages_total;
	uint64_t *missed_total;
	uint64_t *undelivered_total;
	struct tags_row rows[TAGS_SLOTS];
};

/** Sends what waits for Redis. */
void tags_deliver(struct tags *t);
/** Ends all that waits: Redis is not asked any more. */
void tags_give_up(struct tags *t);

#endif
