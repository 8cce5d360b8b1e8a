/* The queue of a lane: what waits, what leaves together, what happens when the connection breaks. */
#include "common/pg/lane.h"

#include <stdlib.h>

#include "common/core/log.h"
#include "common/pg/pool_state.h"

struct lane *lane_new(struct pg_pool *p, enum lane_role role, const struct pg_statement_set *set)
{
	struct lane *l = calloc(1, sizeof *l);
	CHECK(l != NULL);
	l->pool = p;
	l->role = role;
	l->set = set;
	list_init(&l->waiting);
	list_init(&l->retries);
	list_init(&l->bundles);
	list_push(&p->lanes[role], &l->link);
	l->at_ms = l->idle_since_ms = loop_now_ms(p->loop);
	return l;
}

void lane_free(struct lane *l)
{
	CHECK(lane_busy(l) == 0);
	watch_free(l->watch);
	PQfinish(l->conn);
	list_remove(&l->link);
	free(l);
}

bool lane_fits(const struct lane *l, struct pg_group *g)
{
	const struct pg_statement *own[GROUP_CALLS_MAX + 1];
	for (unsigned i = 0; i < g->call_count; i++) {
		const struct pg_statement *s = g->calls[i].statement;
		if (!s) continue;
		own[i] = pg_statement_find(l->set, s->name);
		if (!own[i] || own[i]->binary != s->binary || (own[i] != s && !str_eq(own[i]->sql, s->sql)))
			return false;
	}
	for (unsigned i = 0; i < g->call_count; i++)
		if (g->calls[i].statement) g->calls[i].statement = own[i];
	return true;
}

void lane_submit(struct lane *l, struct pg_group *g)
{
	list_push(&l->waiting, &g->link);
	l->queued++;
	l->dirty = true;
	pool_wake_database(l->pool);
	pool_tick_fast(l->pool);
}

static bool send_group(struct lane *l, struct pg_group *g)
{
	if (g->apart) session_limit_apart(g, l->pool);
	for (unsigned i = 0; i < g->call_count; i++) {
		const struct group_call *c = &g->calls[i];
		const char *const *values = (const char *const *)c->values;
		int n = (int)c->value_count;
		int sent = c->statement ? PQsendQueryPrepared(l->conn, c->statement->name.p, n, values, NULL, NULL,
					      c->statement->binary)
					: PQsendQueryParams(l->conn, c->sql, 0, NULL, NULL, NULL, NULL, 0);
		if (sent != 1) return false;
	}
	return true;
}

static struct bundle *bundle_open(struct lane *l)
{
	struct bundle *b = calloc(1, sizeof *b);
	CHECK(b != NULL);
	list_init(&b->groups);
	if (list_empty(&l->bundles)) l->at_ms = loop_now_ms(l->pool->loop);
	list_push(&l->bundles, &b->link);
	return b;
}

static void bundle_add(struct lane *l, struct bundle *b, struct pg_group *g)
{
	list_remove(&g->link);
	list_push(&b->groups, &g->link);
	if (!b->current) b->current = g;
	g->tries++;
	l->queued--;
	l->in_flight++;
}

static struct pg_group *first_waiting(struct lane *l)
{
	struct list *item = list_first(&l->waiting);
	return item ? CONTAINER_OF(item, struct pg_group, link) : NULL;
}

/* Takes one group, or consecutive reads, and ends with a sync. In libpq 15 each sync is a send of its own. */
static bool send_bundle(struct lane *l)
{
	struct bundle *b = bundle_open(l);
	struct pg_group *g = first_waiting(l);
	bool many = g->kind == PG_READ && !g->solo;
	unsigned count = 0;
	do {
		bundle_add(l, b, g);
		if (!send_group(l, g)) return false;
		g = first_waiting(l);
		count++;
	} while (many && g && g->kind == PG_READ && !g->solo && count < BUNDLE_GROUPS_MAX);
	l->pool->stats.syncs++;
	return PQpipelineSync(l->conn) == 1;
}

void lane_flush(struct lane *l)
{
	l->dirty = false;
	if (l->state != LANE_READY) return;
	while (!list_empty(&l->waiting) && l->in_flight < LANE_IN_FLIGHT_MAX) {
		if (send_bundle(l)) continue;
		lane_break(l, "send failed");
		return;
	}
	lane_watch(l);
}

/* A group that was on the broken connection. What has no effects may be asked again. */
static void salvage(struct lane *l, struct pg_group *g, struct list *again)
{
	list_remove(&g->link);
	l->in_flight--;
	g->losses++;
	bool refused = g->err != ERR_NONE && g->err != ERR_UNAVAILABLE; /* the server had said no: nothing is unknown */
	bool repeat = !refused && g->kind == PG_READ && !g->session && g->done && g->losses <= GROUP_LOSSES_MAX &&
		      g->deadline_ms > loop_now_ms(l->pool->loop) && !l->pool->dying;
	if (repeat) {
		group_clear(g);
		g->tries--; /* the loss was not its fault */
		list_push(again, &g->link);
	} else {
		pool_finish(l->pool, g, refused ? g->err : ERR_UNAVAILABLE);
	}
}

static void drop_connection(struct lane *l)
{
	watch_free(l->watch);
	PQfinish(l->conn);
	l->watch = NULL;
	l->conn = NULL;
	l->watching = 0;
}

/* Puts the groups of `from` where they can go: another lane, this one when it comes back, or nowhere. */
static void replace_groups(struct lane *l, struct list *from)
{
	for (struct list *item; (item = list_shift(from));) {
		struct pg_group *g = CONTAINER_OF(item, struct pg_group, link);
		struct lane *other = g->session || l->role != LANE_SHARED ? NULL : pool_place(l->pool, l->role, g, l);
		if (other)
			lane_submit(other, g);
		else if (g->session || l->outdated || l->pool->dying)
			pool_finish(l->pool, g, ERR_UNAVAILABLE);
		else
			lane_submit(l, g);
	}
}

static void log_break(const struct lane *l, const char *why)
{
	/* Once per outage: repeated failures to connect are not news. */
	if (l->pool->dying || (l->state == LANE_CONNECTING && l->attempts > 1)) return;
	log_begin(LOG_WARN, "database lane broke");
	log_str("why", str_of(why));
	if (l->conn) log_str("message", str_trim(str_of(PQerrorMessage(l->conn))));
	log_int("in_flight", l->in_flight);
	log_end();
}

void lane_break(struct lane *l, const char *why)
{
	struct list moving;
	list_init(&moving);
	log_break(l, why);
	l->state = LANE_DOWN;
	drop_connection(l);
	for (struct list *item; (item = list_shift(&l->bundles));) {
		struct bundle *b = CONTAINER_OF(item, struct bundle, link);
		for (struct list *first; (first = list_first(&b->groups));)
			salvage(l, CONTAINER_OF(first, struct pg_group, link), &moving);
		bundle_free(b);
	}
	for (struct list *item; (item = list_shift(&l->waiting));) list_push(&moving, item);
	for (struct list *item; (item = list_shift(&l->retries));) list_push(&moving, item);
	l->queued = 0;
	if (l->session) session_lost(l->session);
	lane_plan_retry(l);
	replace_groups(l, &moving);
}

/* Tells the owner now; the statement itself runs on to its own time limit. */
static void expire_sent(struct pg_pool *p, struct pg_group *g)
{
	struct pg_group *stub = group_control(NULL, g->done, g->arg);
	g->done = NULL;
	pool_finish(p, stub, ERR_TIMEOUT);
}

static void expire_list(struct lane *l, struct list *head, int64_t now)
{
	for (struct list *item = head->next, *next; item != head; item = next) {
		next = item->next;
		struct pg_group *g = CONTAINER_OF(item, struct pg_group, link);
		if (g->deadline_ms > now) continue;
		list_remove(&g->link);
		l->queued--;
		pool_finish(l->pool, g, ERR_TIMEOUT);
	}
}

static void expire(struct lane *l, int64_t now)
{
	expire_list(l, &l->waiting, now);
	expire_list(l, &l->retries, now);
	for (struct list *b = l->bundles.next; b != &l->bundles; b = b->next) {
		struct list *groups = &CONTAINER_OF(b, struct bundle, link)->groups;
		for (struct list *item = groups->next; item != groups; item = item->next) {
			struct pg_group *g = CONTAINER_OF(item, struct pg_group, link);
			if (g->deadline_ms <= now && g->done && !g->apart) expire_sent(l->pool, g);
		}
	}
}

static void start_due_retries(struct lane *l, int64_t now)
{
	for (struct list *item = l->retries.next, *next; item != &l->retries; item = next) {
		next = item->next;
		struct pg_group *g = CONTAINER_OF(item, struct pg_group, link);
		if (g->due_ms > now) continue;
		list_remove(&g->link);
		l->queued--;
		lane_submit(l, g);
	}
}

void lane_tick(struct lane *l, int64_t now_ms)
{
	expire(l, now_ms);
	start_due_retries(l, now_ms);
	switch (l->state) {
	case LANE_DOWN:
		if (now_ms >= l->at_ms && !l->outdated) lane_connect(l);
		break;
	case LANE_CONNECTING:
	case LANE_PREPARING:
		if (now_ms >= l->at_ms) lane_break(l, "connecting took too long");
		break;
	case LANE_READY:
		if (!list_empty(&l->bundles) &&
		    now_ms - l->at_ms > pool_statement_timeout(l->pool, l->role) + HEAD_GRACE_MS)
			lane_break(l, "no answer");
		else if (!list_empty(&l->bundles) && PQsslInUse(l->conn))
			lane_read(l); /* OpenSSL may hold decrypted bytes that no poll reports */
		break;
	}
}
