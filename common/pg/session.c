/* Exclusive sessions: a connection of one's own for BEGIN … decide in C … COMMIT. Connections open when first needed and close
 * after half a minute without use. Nothing in a session is repeated, since what came before would be missing; but for one that is a single
 * group (pg_send_apart). */
#include <stdio.h>
#include <stdlib.h>

#include "common/pg/pool_state.h"

struct pg_session {
	struct list link; /* in sessions_waiting, sessions_ready or sessions */
	struct pg_pool *pool;
	struct lane *lane; /* NULL while waiting, and when it broke */
	pg_session_ready *ready;
	void *arg;
	int64_t deadline_ms;
	enum err status;
	bool begun;
	bool ending;
	bool commit;
	unsigned sent; /* groups not delivered yet */
};

static struct pg_session *session_of(struct list *item)
{
	return CONTAINER_OF(item, struct pg_session, link);
}

enum err pg_session_open(struct pg_pool *p, int64_t deadline_ms, pg_session_ready *ready, void *arg)
{
	if (p->dying || !pg_pool_ready(p)) return ERR_UNAVAILABLE;
	if (p->session_waiting_count >= p->config.queue_max) return ERR_BUSY;
	struct pg_session *s = calloc(1, sizeof *s);
	CHECK(s != NULL);
	*s = (struct pg_session){ .pool = p, .ready = ready, .arg = arg, .deadline_ms = deadline_ms };
	list_push(&p->sessions_waiting, &s->link);
	p->session_waiting_count++;
	pool_wake_database(p);
	pool_tick_fast(p);
	return ERR_NONE;
}

static struct lane *idle_lane(struct pg_pool *p, unsigned *lanes)
{
	*lanes = 0;
	struct lane *found = NULL;
	for (struct list *i = p->lanes[LANE_EXCLUSIVE].next; i != &p->lanes[LANE_EXCLUSIVE]; i = i->next) {
		struct lane *l = CONTAINER_OF(i, struct lane, link);
		if (l->outdated) continue;
		(*lanes)++;
		if (l->state == LANE_READY && !l->session && lane_busy(l) == 0) found = l;
	}
	return found;
}

static unsigned lanes_coming(const struct pg_pool *p)
{
	unsigned n = 0;
	for (struct list *i = p->lanes[LANE_EXCLUSIVE].next; i != &p->lanes[LANE_EXCLUSIVE]; i = i->next) {
		const struct lane *l = CONTAINER_OF(i, struct lane, link);
		n += !l->outdated && l->state != LANE_READY;
	}
	return n;
}

/* Ends the wait of the first in line. */
static void admit(struct pg_pool *p, struct pg_session *s, struct lane *l, enum err status)
{
	list_remove(&s->link);
	list_push(&p->sessions_ready, &s->link);
	p->session_waiting_count--;
	s->status = status;
	s->lane = l;
	if (l) l->session = s;
	pool_wake_run(p);
}

void sessions_assign(struct pg_pool *p)
{
	unsigned lanes;
	while (!list_empty(&p->sessions_waiting)) {
		struct lane *l = idle_lane(p, &lanes);
		if (!l) break;
		admit(p, session_of(list_first(&p->sessions_waiting)), l, ERR_NONE);
	}
	for (unsigned coming = lanes_coming(p); coming < p->session_waiting_count; coming++) {
		idle_lane(p, &lanes);
		if (lanes >= p->config.exclusive_lanes) break;
		lane_connect(lane_new(p, LANE_EXCLUSIVE, p->set));
	}
}

void sessions_deliver(struct pg_pool *p)
{
	for (struct list *i; (i = list_shift(&p->sessions_ready));) {
		struct pg_session *s = session_of(i);
		pg_session_ready *ready = s->ready;
		void *arg = s->arg;
		enum err status = s->status;
		if (status) {
			free(s);
			ready(arg, status, NULL);
		} else {
			list_push(&p->sessions, &s->link);
			ready(arg, ERR_NONE, s);
		}
	}
}

void sessions_tick(struct pg_pool *p, int64_t now_ms)
{
	for (struct list *i = p->sessions_waiting.next, *next; i != &p->sessions_waiting; i = next) {
		struct pg_session *s = session_of(i);
		next = i->next;
		if (s->deadline_ms <= now_ms) admit(p, s, NULL, ERR_TIMEOUT);
	}
	if (!list_empty(&p->sessions_waiting)) pool_wake_database(p);
}

/* Finishes a group that never goes to the server. */
static void finish_at_once(struct pg_session *s, struct pg_group *g, enum err e)
{
	g->session = s;
	s->sent++;
	pool_finish(s->pool, g, e);
}

enum err pg_session_send(struct pg_session *s, const struct pg_call *calls, unsigned count, pg_done *done, void *arg)
{
	struct pg_group *g;
	CHECK(!s->ending);
	if (s->sent) return ERR_BUSY;
	if (!s->lane || s->pool->dying) return ERR_UNAVAILABLE;
	TRY(group_new(calls, count, s->begun ? NULL : "begin", &g));
	if (!lane_fits(s->lane, g)) {
		group_free(g);
		return ERR_UNAVAILABLE;
	}
	g->kind = PG_WRITE;
	g->deadline_ms = INT64_MAX; /* the session's statement_timeout is its limit */
	g->done = done;
	g->arg = arg;
	g->session = s;
	s->begun = true;
	s->sent++;
	s->pool->stats.groups++;
	lane_submit(s->lane, g);
	return ERR_NONE;
}

void session_limit_apart(struct pg_group *g, const struct pg_pool *p)
{
	int64_t left_ms = g->deadline_ms - loop_now_ms(p->loop);
	if (left_ms > p->config.exclusive_timeout_ms) left_ms = p->config.exclusive_timeout_ms;
	if (left_ms < 1) left_ms = 1; /* 0 would be no limit */
	snprintf(g->limit, sizeof g->limit, "select set_config('statement_timeout', '%lld', true)", (long long)left_ms);
	g->calls[0].sql = g->limit;
}

static void submit_apart(void *arg, enum err status, struct pg_session *s)
{
	struct pg_group *g = arg;
	if (!s) {
		g->err = status;
		group_deliver(g);
		group_free(g);
		return;
	}
	s->ending = true;
	if (!s->lane || s->pool->dying || !lane_fits(s->lane, g)) {
		finish_at_once(s, g, ERR_UNAVAILABLE);
		return;
	}
	g->session = s;
	s->sent++;
	s->pool->stats.groups++;
	lane_submit(s->lane, g);
}

enum err pg_send_apart(
    struct pg_pool *p, const struct pg_call *calls, unsigned count, int64_t deadline_ms, pg_done *done, void *arg)
{
	struct pg_group *g;
	TRY(group_new(calls, count, "", &g)); /* the first is session_limit_apart's */
	g->kind = PG_WRITE;
	g->solo = g->apart = g->ends_session = true;
	g->deadline_ms = deadline_ms;
	g->done = done;
	g->arg = arg;
	enum err e = pg_session_open(p, deadline_ms, submit_apart, g);
	if (e) group_free(g);
	return e;
}

void pg_session_end(struct pg_session *s, bool commit, pg_done *done, void *arg)
{
	CHECK(!s->ending);
	s->ending = true;
	s->commit = commit;
	bool sends = s->lane && s->begun;
	struct pg_group *g = group_control(!sends ? NULL : commit ? "commit" : "rollback", done, arg);
	g->ends_session = true;
	if (!sends) {
		bool lost = s->begun && commit; /* what was done is gone with the connection */
		finish_at_once(s, g, lost ? ERR_UNAVAILABLE : ERR_NONE);
		return;
	}
	g->session = s;
	s->sent++;
	lane_submit(s->lane, g);
}

static void give_back(struct pg_session *s)
{
	struct lane *l = s->lane;
	s->lane = NULL;
	if (!l) return;
	l->session = NULL;
	l->idle_since_ms = loop_now_ms(s->pool->loop);
	if (!list_empty(&s->pool->sessions_waiting)) pool_wake_database(s->pool);
}

/* A group of the session has its result; its owner hears a moment later. */
void session_group_finished(struct pg_group *g)
{
	struct pg_session *s = g->session;
	if (!g->ends_session) return;
	/* COMMIT of a failed transaction succeeds as ROLLBACK. */
	if (!g->err && s->commit && g->call_count && g->results[0] && strcmp(PQcmdStatus(g->results[0]), "COMMIT") != 0)
		g->err = ERR_ABORTED;
	give_back(s);
}

void session_lost(struct pg_session *s)
{
	if (s->lane) s->lane->session = NULL;
	s->lane = NULL;
}

void session_delivered(struct pg_session *s, bool ended)
{
	s->sent--;
	if (!ended) return;
	list_remove(&s->link);
	free(s);
}

void sessions_fail_all(struct pg_pool *p)
{
	for (struct list *i; (i = list_first(&p->sessions_waiting));) admit(p, session_of(i), NULL, ERR_UNAVAILABLE);
	for (struct list *i = p->sessions_ready.next; i != &p->sessions_ready; i = i->next) {
		session_of(i)->status = ERR_UNAVAILABLE;
		session_lost(session_of(i));
	}
	sessions_deliver(p);
}

/* Those that were never ended: the pool is their end. */
void sessions_free_all(struct pg_pool *p)
{
	for (struct list *i; (i = list_shift(&p->sessions));) free(session_of(i));
}
