/*
 * What a service changed must not be served from caches any more: tags of committed changes, gathered while the last ones are on their
 * way (a busy campaign is purged once for all its gifts) and purged by the script that all caches listen to (common/cache/purge.h). Without
 * YG_REDIS there is no cache beyond the gateway's own, which lives by short lifetimes.
 */
#include "common/service/runtime.h"

#include <stdlib.h>

#include "common/cache/purge.h"
#include "common/core/config.h"
#include "common/core/log.h"

enum { WINDOW_MS = 5, RETRY_MS = 100, COMMAND_TIMEOUT_MS = 1000 };

struct tag_text {
	uint8_t n;
	char text[PURGE_TAG_BYTES_MAX];
};

struct tag_texts {
	unsigned count;
	struct tag_text items[PURGE_TAGS_MAX];
};

struct purger {
	struct loop *loop;
	struct redis *redis;
	struct timer *timer;
	struct loop_task task; /* at the end of this turn */
	bool due; /* the timer runs, or the task waits */
	bool sending;
	struct tag_texts waiting;
	struct tag_texts sent;
	uint64_t *purged_total;
};

static void add(struct tag_texts *set, struct str tag)
{
	for (unsigned i = 0; i < set->count; i++)
		if (str_eq(str_span(set->items[i].text, set->items[i].n), tag)) return;
	if (set->count == PURGE_TAGS_MAX) { /* Redis is away for long: everything, once it is back */
		set->count = 0;
		tag = STR("*");
	}
	struct tag_text *t = &set->items[set->count++];
	t->n = (uint8_t)tag.n;
	memcpy(t->text, tag.p, tag.n);
}

static void arm(struct purger *p, int64_t delay_ms)
{
	if (p->due || p->sending || p->waiting.count == 0) return;
	p->due = true;
	if (delay_ms)
		timer_start(p->timer, delay_ms, 0);
	else
		loop_push(p->loop, PHASE_LAST, &p->task);
}

static void purged(void *arg, enum err status, const struct redis_reply *reply)
{
	struct purger *p = arg;
	bool good = status == ERR_NONE && reply->type == REDIS_INTEGER;
	p->sending = false;
	if (good) {
		*p->purged_total += p->sent.count;
	} else {
		if (status == ERR_NONE) log_line(LOG_WARN, "Redis refused a purge", "%.*s", STR_FMT(reply->text));
		for (unsigned i = 0; i < p->sent.count; i++)
			add(&p->waiting, str_span(p->sent.items[i].text, p->sent.items[i].n));
	}
	arm(p, good ? WINDOW_MS : RETRY_MS);
}

static void on_due(void *arg)
{
	struct purger *p = arg;
	struct str tags[PURGE_TAGS_MAX];
	p->due = false;
	for (unsigned i = 0; i < p->waiting.count; i++)
		tags[i] = str_span(p->waiting.items[i].text, p->waiting.items[i].n);
	if (purge_send(p->redis, tags, p->waiting.count, purged, p) != ERR_NONE) {
		arm(p, RETRY_MS);
		return;
	}
	p->sending = true;
	p->sent = p->waiting;
	p->waiting.count = 0;
}

static void on_task(struct loop_task *task)
{
	on_due(CONTAINER_OF(task, struct purger, task));
}

enum err purger_start(struct service *s)
{
	struct redis_config config = { .address = config_str(&s->boot, "YG_REDIS", NULL),
		.command_timeout_ms = COMMAND_TIMEOUT_MS };
	if (!config.address.n) return ERR_NONE;
	struct purger *p = calloc(1, sizeof *p);
	CHECK(p != NULL);
	p->loop = s->loop;
	p->redis = redis_new(s->loop, &config);
	if (!p->redis) {
		free(p);
		return ERR_CONFIG;
	}
	p->timer = timer_new(s->loop, on_due, p);
	p->task.run = on_task;
	p->purged_total =
	    metrics_counter(s->metrics, "yg_purged_tags_total", "Tags of caches purged by this service.", NULL, 0);
	s->purger = p;
	return ERR_NONE;
}

bool purger_idle(const struct service *s)
{
	const struct purger *p = s->purger;
	return !p || !redis_connected(p->redis) || (p->waiting.count == 0 && !p->sending);
}

void service_purge(struct service *s, struct str tags)
{
	struct purger *p = s->purger;
	struct str tag;
	if (!p) return;
	while (str_cut(&tags, ' ', &tag)) {
		if (tag.n == 0) continue;
		if (purge_tag_is_valid(tag))
			add(&p->waiting, tag);
		else
			log_line(LOG_ERROR, "no tag of a cache", "%.*s", (int)(tag.n < 200 ? tag.n : 200), tag.p);
	}
	arm(p, 0); /* at once; what comes while it is on its way goes together, a moment later */
}

void purge_rows(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned first, unsigned count)
{
	if (plan->steering.purge < 0 || !r->service->purger) return;
	for (unsigned i = 0; i < count; i++) {
		struct str tags = pg_get(result, first + i, (unsigned)plan->steering.purge);
		if (tags.n) service_purge(r->service, tags);
	}
}
