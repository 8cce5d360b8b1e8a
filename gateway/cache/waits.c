/* Deadlines of a few milliseconds. Timers run before sockets are read: after a turn that took long, the answer may lie there unread,
 * so the first that is late gets one more poll. */
#include "gateway/cache/waits.h"

static struct wait *wait_of(struct list *item)
{
	return CONTAINER_OF(item, struct wait, link);
}

static void arm(struct waits *ws)
{
	struct list *first = list_first(&ws->items);
	if (!first) return; /* a timer that finds nothing does no harm, and costs less than stopping it each time */
	int64_t left_ms = wait_of(first)->deadline_ms - loop_now_ms(ws->loop);
	timer_start(ws->timer, left_ms > 0 ? left_ms : 1, 0);
}

static void expire_due(struct waits *ws)
{
	struct list *item;
	while ((item = list_first(&ws->items)) && wait_of(item)->deadline_ms <= loop_now_ms(ws->loop)) {
		list_remove(item);
		wait_of(item)->expired(wait_of(item));
	}
}

static void on_timer(void *arg)
{
	struct waits *ws = arg;
	struct list *first = list_first(&ws->items);
	bool due = first && wait_of(first)->deadline_ms <= loop_now_ms(ws->loop);
	if (due && ws->late) expire_due(ws);
	ws->late = due && !ws->late;
	arm(ws);
}

void waits_init(struct waits *ws, struct loop *l)
{
	*ws = (struct waits){ .loop = l };
	list_init(&ws->items);
	ws->timer = timer_new(l, on_timer, ws);
}

void waits_deinit(struct waits *ws)
{
	struct list *item;
	while ((item = list_shift(&ws->items))) wait_of(item)->expired(wait_of(item));
	timer_free(ws->timer);
	ws->timer = NULL;
}

void waits_add(struct waits *ws, struct wait *w, int64_t deadline_ms)
{
	struct list *after = ws->items.prev;
	w->deadline_ms = deadline_ms;
	while (after != &ws->items && wait_of(after)->deadline_ms > deadline_ms) after = after->prev;
	list_push(after->next, &w->link);
	if (list_first(&ws->items) == &w->link) arm(ws);
}

void waits_remove(struct wait *w)
{
	list_remove(&w->link);
}
