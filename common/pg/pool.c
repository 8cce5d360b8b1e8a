/* The pool: which lane a group goes to, when lanes send (PHASE_DATABASE), when owners hear (PHASE_RUN), and the one timer behind
 * deadlines, retries, reconnects and the retirement of old lanes. */
#include "common/pg/pool.h"

#include <stdlib.h>

#include "common/pg/pool_state.h"

enum {
	SHARED_LANES = 2,
	WRITER_LANES = 1,
	EXCLUSIVE_LANES = 2,
	QUEUE_MAX = 1024,
	STATEMENT_TIMEOUT_MS = 5000,
	EXCLUSIVE_TIMEOUT_MS = 60000,
	CONFIG_BYTES_MAX = 64 * 1024
};

int64_t pool_statement_timeout(const struct pg_pool *p, enum lane_role role)
{
	return role == LANE_EXCLUSIVE ? p->config.exclusive_timeout_ms : p->config.statement_timeout_ms;
}

void pool_wake_database(struct pg_pool *p)
{
	if (!p->dying) loop_push(p->loop, PHASE_DATABASE, &p->database_task);
}

void pool_wake_run(struct pg_pool *p)
{
	if (!p->dying) loop_push(p->loop, PHASE_RUN, &p->run_task);
}

void pool_tick_fast(struct pg_pool *p)
{
	if (p->ticking_fast || p->dying) return;
	p->ticking_fast = true;
	timer_start(p->timer, TICK_BUSY_MS, TICK_BUSY_MS);
}

void pool_finish(struct pg_pool *p, struct pg_group *g, enum err e)
{
	g->err = e;
	list_push(&p->finished, &g->link);
	if (g->session) session_group_finished(g);
	pool_wake_run(p);
}

static struct lane *lane_of(struct list *item)
{
	return CONTAINER_OF(item, struct lane, link);
}

/* Smaller is better: ready, then ready with an older set, then on its way; -1: not at all. */
static int rank(const struct lane *l)
{
	if (l->state == LANE_READY) return l->outdated ? 1 : 0;
	return l->outdated ? -1 : 2;
}

struct lane *pool_place(struct pg_pool *p, enum lane_role role, struct pg_group *g, const struct lane *except)
{
	struct lane *best = NULL;
	int best_rank = 3;
	const struct pg_statement_set *known = NULL; /* the last set looked at, and whether the group fits it */
	bool known_fits = false;
	for (struct list *i = p->lanes[role].next; i != &p->lanes[role]; i = i->next) {
		struct lane *l = lane_of(i);
		int r = rank(l);
		if (l == except || r < 0 || r > best_rank) continue;
		if (l->set != known) {
			known = l->set;
			known_fits = lane_fits(l, g);
		}
		if (!known_fits || (best && r == best_rank && lane_busy(best) <= lane_busy(l))) continue;
		best = l;
		best_rank = r;
	}
	if (best && best->set != known && !lane_fits(best, g)) return NULL;
	return best;
}

static void run_finished(struct pg_pool *p)
{
	for (struct list *item; (item = list_shift(&p->finished));) {
		struct pg_group *g = CONTAINER_OF(item, struct pg_group, link);
		struct pg_session *session = g->session;
		bool ends = g->ends_session;
		group_deliver(g);
		group_free(g);
		if (session) session_delivered(session, ends);
	}
}

static void free_if_dead(struct pg_pool *p)
{
	if (!p->dying || p->run_task.queued || p->database_task.queued) return;
	arena_release(&p->memory);
	free(p);
}

static void on_run(struct loop_task *task)
{
	struct pg_pool *p = CONTAINER_OF(task, struct pg_pool, run_task);
	if (!p->dying) {
		run_finished(p);
		batches_deliver(p);
		sessions_deliver(p);
	}
	free_if_dead(p);
}

static void on_database(struct loop_task *task)
{
	struct pg_pool *p = CONTAINER_OF(task, struct pg_pool, database_task);
	if (!p->dying) {
		sessions_assign(p);
		batches_feed(p);
		for (unsigned role = 0; role < LANE_ROLES; role++)
			for (struct list *i = p->lanes[role].next, *next; i != &p->lanes[role]; i = next) {
				next = i->next;
				if (lane_of(i)->dirty) lane_flush(lane_of(i));
			}
	}
	free_if_dead(p);
}

/* Closes lanes that nobody needs any more: of an older set, or exclusive ones after a while. */
static void close_idle(struct pg_pool *p, int64_t now)
{
	for (unsigned role = 0; role < LANE_ROLES; role++) {
		unsigned coming = 0; /* successors that are not ready yet */
		for (struct list *i = p->lanes[role].next; i != &p->lanes[role]; i = i->next)
			coming += !lane_of(i)->outdated && lane_of(i)->state != LANE_READY;
		for (struct list *i = p->lanes[role].next, *next; i != &p->lanes[role]; i = next) {
			struct lane *l = lane_of(i);
			next = i->next;
			if (lane_busy(l) || l->session) continue;
			bool ready = l->state == LANE_READY;
			int64_t idle = now - l->idle_since_ms;
			bool retire =
			    l->outdated && (!ready || (!coming && idle >= RETIRE_IDLE_MS) || role == LANE_EXCLUSIVE);
			bool unused = role == LANE_EXCLUSIVE && list_empty(&p->sessions_waiting) &&
				      (l->state == LANE_DOWN || (ready && idle >= SESSION_IDLE_MS));
			if (retire || unused) lane_free(l);
		}
	}
}

static bool set_in_use(const struct pg_pool *p, const struct pg_statement_set *set)
{
	for (unsigned role = 0; role < LANE_ROLES; role++)
		for (struct list *i = p->lanes[role].next; i != &p->lanes[role]; i = i->next)
			if (lane_of(i)->set == set) return true;
	return p->set == set;
}

static void release_sets(struct pg_pool *p)
{
	for (struct list *i = p->retired.next, *next; i != &p->retired; i = next) {
		struct retired_set *r = CONTAINER_OF(i, struct retired_set, link);
		next = i->next;
		if (set_in_use(p, r->set)) continue;
		list_remove(&r->link);
		if (r->released) r->released(r->arg);
		free(r);
	}
}

static bool needs_fast_tick(const struct pg_pool *p)
{
	if (!list_empty(&p->sessions_waiting) || !list_empty(&p->retired) || batches_waiting(p)) return true;
	for (unsigned role = 0; role < LANE_ROLES; role++)
		for (struct list *i = p->lanes[role].next; i != &p->lanes[role]; i = i->next)
			if (lane_busy(lane_of(i)) || lane_of(i)->state != LANE_READY) return true;
	return false;
}

static void on_tick(void *arg)
{
	struct pg_pool *p = arg;
	int64_t now = loop_now_ms(p->loop);
	for (unsigned role = 0; role < LANE_ROLES; role++)
		for (struct list *i = p->lanes[role].next; i != &p->lanes[role]; i = i->next)
			lane_tick(lane_of(i), now);
	sessions_tick(p, now);
	batches_tick(p, now);
	close_idle(p, now);
	release_sets(p);
	bool fast = needs_fast_tick(p);
	if (fast == p->ticking_fast) return;
	p->ticking_fast = fast;
	timer_start(p->timer, fast ? TICK_BUSY_MS : TICK_IDLE_MS, fast ? TICK_BUSY_MS : TICK_IDLE_MS);
}

static void defaults(struct pg_pool *p, const struct pg_pool_config *config)
{
	struct pg_pool_config *c = &p->config;
	*c = *config;
	c->conninfo = arena_str(&p->memory, config->conninfo);
	c->application_name =
	    config->application_name ? arena_strz(&p->memory, str_of(config->application_name)) : NULL;
	CHECK(!p->memory.overflow);
	if (!c->shared_lanes) c->shared_lanes = SHARED_LANES;
	if (!c->writer_lanes) c->writer_lanes = WRITER_LANES;
	if (!c->exclusive_lanes) c->exclusive_lanes = EXCLUSIVE_LANES;
	if (!c->queue_max) c->queue_max = QUEUE_MAX;
	if (!c->statement_timeout_ms) c->statement_timeout_ms = STATEMENT_TIMEOUT_MS;
	if (!c->exclusive_timeout_ms) c->exclusive_timeout_ms = EXCLUSIVE_TIMEOUT_MS;
}

static void open_lanes(struct pg_pool *p)
{
	bool batches = false; /* no batch that writes, no writer connection */
	for (unsigned i = 0; i < p->set->count; i++)
		batches = batches || (p->set->items[i]->batch_max && p->set->items[i]->tx == TX_WRITE);
	for (unsigned i = 0; i < p->config.shared_lanes; i++) lane_connect(lane_new(p, LANE_SHARED, p->set));
	for (unsigned i = 0; i < p->config.writer_lanes && batches; i++) lane_connect(lane_new(p, LANE_WRITER, p->set));
	pool_tick_fast(p);
}

struct pg_pool *pg_pool_new(
    struct loop *l, const struct pg_pool_config *config, const struct pg_statement_set *statements)
{
	struct pg_pool *p = calloc(1, sizeof *p);
	CHECK(p != NULL);
	p->loop = l;
	p->set = statements;
	arena_init(&p->memory, 1024, CONFIG_BYTES_MAX);
	defaults(p, config);
	for (unsigned role = 0; role < LANE_ROLES; role++) list_init(&p->lanes[role]);
	list_init(&p->finished);
	list_init(&p->sessions_waiting);
	list_init(&p->sessions_ready);
	list_init(&p->sessions);
	list_init(&p->batches);
	list_init(&p->expired_members);
	list_init(&p->retired);
	p->run_task.run = on_run;
	p->database_task.run = on_database;
	p->timer = timer_new(l, on_tick, p);
	open_lanes(p);
	return p;
}

void pg_pool_free(struct pg_pool *p)
{
	if (!p) return;
	p->dying = true;
	for (unsigned role = 0; role < LANE_ROLES; role++)
		for (struct list *i; (i = list_first(&p->lanes[role]));) {
			lane_of(i)->outdated = true; /* nothing waits for it to come back */
			if (lane_busy(lane_of(i)))
				lane_break(lane_of(i), "pool closed");
			else if (lane_of(i)->session)
				session_lost(lane_of(i)->session);
			lane_free(lane_of(i));
		}
	run_finished(p);
	sessions_fail_all(p);
	run_finished(p);
	batches_fail_all(p);
	sessions_free_all(p);
	for (struct list *i; (i = list_shift(&p->retired));) {
		struct retired_set *r = CONTAINER_OF(i, struct retired_set, link);
		if (r->released) r->released(r->arg);
		free(r);
	}
	timer_free(p->timer);
	free_if_dead(p);
}

bool pg_pool_ready(const struct pg_pool *p)
{
	for (struct list *i = p->lanes[LANE_SHARED].next; i != &p->lanes[LANE_SHARED]; i = i->next)
		if (lane_of(i)->state == LANE_READY) return true;
	return false;
}

void pg_pool_relink(
    struct pg_pool *p, const struct pg_statement_set *statements, void (*released)(void *arg), void *arg)
{
	struct retired_set *r = calloc(1, sizeof *r);
	CHECK(r != NULL && statements != p->set);
	*r = (struct retired_set){ .set = p->set, .released = released, .arg = arg };
	list_push(&p->retired, &r->link);
	for (unsigned role = 0; role < LANE_ROLES; role++)
		for (struct list *i = p->lanes[role].next; i != &p->lanes[role]; i = i->next)
			lane_of(i)->outdated = true;
	p->set = statements;
	open_lanes(p);
}

enum err pg_send(struct pg_pool *p, enum pg_group_kind kind, const struct pg_call *calls, unsigned count,
    int64_t deadline_ms, pg_done *done, void *arg)
{
	struct pg_group *g;
	if (p->dying || !pg_pool_ready(p)) return ERR_UNAVAILABLE;
	TRY(group_new(calls, count, NULL, &g));
	g->kind = kind;
	for (unsigned i = 0; i < count; i++)
		if (calls[i].statement->tx == TX_WRITE) g->kind = PG_WRITE;
	g->solo = count > 1; /* identity_set must not reach the neighbours */
	g->deadline_ms = deadline_ms;
	g->done = done;
	g->arg = arg;
	struct lane *l = pool_place(p, LANE_SHARED, g, NULL);
	enum err e = !l ? ERR_UNAVAILABLE : lane_busy(l) >= p->config.queue_max ? ERR_BUSY : ERR_NONE;
	if (e) {
		group_free(g);
		return e;
	}
	p->stats.groups++;
	lane_submit(l, g);
	return ERR_NONE;
}

struct pg_stats pg_pool_stats(const struct pg_pool *p)
{
	struct pg_stats s = p->stats;
	s.queued = p->session_waiting_count;
	for (unsigned role = 0; role < LANE_ROLES; role++)
		for (struct list *i = p->lanes[role].next; i != &p->lanes[role]; i = i->next) {
			const struct lane *l = lane_of(i);
			s.lanes++;
			s.connected += l->state == LANE_READY;
			s.queued += l->queued;
			s.in_flight += l->in_flight;
		}
	return s;
}
