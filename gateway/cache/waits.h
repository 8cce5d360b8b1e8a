#ifndef GATEWAY_CACHE_WAITS_H
#define GATEWAY_CACHE_WAITS_H

#include "common/core/list.h"
#include "common/net/loop.h"

/** Short deadlines of many things that wait: one timer for all, sorted by time. */
struct wait {
	struct list link;
	int64_t deadline_ms;
	void (*expired)(struct wait *w); /* taken out already */
};

struct waits {
	struct loop *loop;
	struct timer *timer;
	struct list items;
	bool late; /* the first one's time is over; what has come for it may still be read */
};

void waits_init(struct waits *ws, struct loop *l);
/** Everything in it expires. */
void waits_deinit(struct waits *ws);
void waits_add(struct waits *ws, struct wait *w, int64_t deadline_ms);
/** Fine when it is not (or no longer) in the list, if it was ever added. */
void waits_remove(struct wait *w);

#endif
