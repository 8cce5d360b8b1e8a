/* A subscription: its own connection, SUBSCRIBE as the greeting, PING now and then since silence alone proves nothing. */
#include "common/cache/redis_link.h"

#include <stdlib.h>

enum { PING_EVERY_MS = 5000, PONG_WITHIN_MS = 2000, MESSAGES_BYTES_MAX = 8 * 1024 * 1024 };

void redis_subscriber_open(struct redis *r)
{
	const struct str subscribe[] = { STR("SUBSCRIBE"), r->channel };
	CHECK(redis_write_command(r, subscribe, 2));
}

void redis_subscriber_tick(struct redis *r)
{
	static const struct str ping[] = { { "PING", 4 } };
	if (r->ping_sent || !redis_write_command(r, ping, 1)) {
		redis_drop(r, ERR_TIMEOUT, "subscription without an answer");
		return;
	}
	r->ping_sent = true;
	timer_start(r->timer, PONG_WITHIN_MS, 0);
}

static void confirmed(struct redis *r)
{
	redis_greeted(r);
	r->ping_sent = false;
	r->lost_due = true;
	timer_start(r->timer, PING_EVERY_MS, 0);
	loop_push(r->loop, PHASE_RUN, &r->run_task);
}

static void keep(struct redis *r, struct str payload)
{
	size_t bytes = sizeof(struct redis_message) + payload.n;
	if (bytes > MESSAGES_BYTES_MAX - r->message_bytes) {
		redis_drop(r, ERR_UNAVAILABLE, "too many messages");
		return;
	}
	struct redis_message *m = malloc(bytes);
	CHECK(m != NULL);
	m->bytes = payload.n;
	if (payload.n) memcpy(m->payload, payload.p, payload.n);
	list_push(&r->messages, &m->link);
	r->message_bytes += bytes;
	loop_push(r->loop, PHASE_RUN, &r->run_task);
}

void redis_pushed(struct redis *r, const struct redis_reply *reply)
{
	const struct redis_reply *i = reply->items;
	unsigned n = reply->type == REDIS_ARRAY ? reply->item_count : 0;
	struct str kind = n ? i[0].text : STR_NONE;
	if (n == 3 && str_eq(kind, STR("message")) && str_eq(i[1].text, r->channel) && i[2].type == REDIS_STRING) {
		keep(r, i[2].text);
	} else if (n == 3 && str_eq(kind, STR("subscribe")) && r->state == REDIS_OPENING) {
		confirmed(r);
	} else if (n == 2 && str_eq(kind, STR("pong")) && r->ping_sent) {
		r->ping_sent = false;
		timer_start(r->timer, PING_EVERY_MS, 0);
	} else {
		redis_drop(r, ERR_UNAVAILABLE, "unusable reply to a subscription");
	}
	arena_reset(&r->inbox);
}

/* `lost` first: forgetting everything before a single purge is never wrong. */
void redis_subscriber_run(struct redis *r)
{
	struct list *item;
	if (r->lost_due && r->state != REDIS_FREED) {
		r->lost_due = false;
		r->on_lost(r->arg);
	}
	while ((item = list_shift(&r->messages))) {
		struct redis_message *m = CONTAINER_OF(item, struct redis_message, link);
		r->message_bytes -= sizeof *m + m->bytes;
		if (r->state != REDIS_FREED) r->on_message(r->arg, str_span(m->payload, m->bytes));
		free(m);
	}
}

void redis_subscriber_release(struct redis *r)
{
	CHECK(list_empty(&r->messages));
	arena_release(&r->inbox);
}
