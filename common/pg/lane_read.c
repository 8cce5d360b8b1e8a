/* Results of a lane, matched with the bundles in flight: NULL ends a statement, PGRES_PIPELINE_SYNC a bundle. An error aborts the
 * rest of its bundle; the reads that merely stood behind it are sent again alone. */
#include <stdlib.h>

#include "common/pg/pool_state.h"

enum { RETRY_FIRST_MS = 10 };

void bundle_free(struct bundle *b)
{
	PQclear(b->sync_error);
	free(b);
}

static struct bundle *head_of(struct lane *l)
{
	struct list *item = list_first(&l->bundles);
	return item ? CONTAINER_OF(item, struct bundle, link) : NULL;
}

static bool may_retry(const struct pg_group *g, int64_t now)
{
	return g->err == ERR_RETRY && (!g->session || g->apart) && g->done && g->tries < GROUP_TRIES_MAX &&
	       g->deadline_ms > now;
}

static void requeue(struct lane *l, struct pg_group *g, int64_t due_ms)
{
	group_clear(g);
	g->solo = true;
	g->due_ms = due_ms;
	l->queued++;
	if (due_ms) {
		l->pool->stats.retries++;
		list_push(&l->retries, &g->link);
		pool_tick_fast(l->pool);
		return;
	}
	list_push(&l->waiting, &g->link);
	l->dirty = true;
	pool_wake_database(l->pool);
}

/* The bundle's fate is known; this is one of its groups'. */
static void settle(struct lane *l, struct bundle *b, struct pg_group *g, bool alone)
{
	int64_t now = loop_now_ms(l->pool->loop);
	list_remove(&g->link);
	l->in_flight--;
	if (b->sync_error &&
	    !g->err) { /* COMMIT failed; reads of a bundle must find out one by one whose fault it is */
		if (alone) {
			g->error = b->sync_error;
			b->sync_error = NULL;
			g->err = sqlstate_err(PQresultErrorField(g->error, PG_DIAG_SQLSTATE));
		} else {
			g->answered = 0;
		}
	}
	if (may_retry(g, now)) {
		int64_t wait = (int64_t)RETRY_FIRST_MS << g->tries;
		requeue(l, g, now + wait / 2 + pool_jitter((unsigned)wait));
	} else if (g->err || g->answered == g->call_count || !g->done) {
		pool_finish(l->pool, g, g->err);
	} else {
		g->tries--; /* aborted with its neighbour */
		requeue(l, g, 0);
	}
}

static void end_bundle(struct lane *l, struct bundle *b)
{
	list_remove(&b->link);
	bool alone = b->groups.next == b->groups.prev;
	for (struct list *item; (item = list_first(&b->groups));)
		settle(l, b, CONTAINER_OF(item, struct pg_group, link), alone);
	bundle_free(b);
	if (!list_empty(&l->waiting)) {
		l->dirty = true;
		pool_wake_database(l->pool);
	}
	if (lane_busy(l) == 0) l->idle_since_ms = loop_now_ms(l->pool->loop);
	if (l->role == LANE_WRITER && lane_busy(l) == 0) pool_wake_database(l->pool);
}

static void next_call(struct bundle *b)
{
	struct pg_group *g = b->current;
	b->got_result = false;
	if (++b->call < g->call_count) return;
	b->call = 0;
	b->current = g->link.next == &b->groups ? NULL : CONTAINER_OF(g->link.next, struct pg_group, link);
}

static void take_error(struct bundle *b, PGresult *r)
{
	struct pg_group *g = b->current;
	b->failed = true;
	if (!g) { /* of the sync: the implicit COMMIT */
		PQclear(b->sync_error);
		b->sync_error = r;
	} else if (g->err) {
		PQclear(r);
	} else {
		g->error = r;
		g->err = sqlstate_err(PQresultErrorField(r, PG_DIAG_SQLSTATE));
	}
}

/* A result for the statement at hand; takes r. False: the server said something that does not fit. */
static bool take_result(struct bundle *b, PGresult *r)
{
	struct pg_group *g = b->current;
	switch (PQresultStatus(r)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		if (!g || g->results[b->call]) break;
		g->results[b->call] = r;
		g->answered++;
		b->got_result = true;
		return true;
	case PGRES_FATAL_ERROR:
		take_error(b, r);
		b->got_result = true;
		return true;
	case PGRES_PIPELINE_ABORTED:
		PQclear(r);
		b->got_result = true;
		return g != NULL;
	case PGRES_BAD_RESPONSE:
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
	case PGRES_NONFATAL_ERROR:
	case PGRES_SINGLE_TUPLE:
	case PGRES_PIPELINE_SYNC:
	default:
		break;
	}
	PQclear(r);
	return false;
}

/* An error of the connection, not of the statement (shutdown, standby): what follows cannot be trusted to come. */
static bool is_loss(const struct bundle *b)
{
	const struct pg_group *g = b->current;
	return b->failed && ((g && g->err == ERR_UNAVAILABLE) ||
				(b->sync_error && sqlstate_err(PQresultErrorField(b->sync_error, PG_DIAG_SQLSTATE)) ==
						      ERR_UNAVAILABLE));
}

/* Takes all that has arrived; NULL when the lane goes on, else why it must not. */
static const char *drain(struct lane *l)
{
	for (struct bundle *b; (b = head_of(l)) && !PQisBusy(l->conn);) {
		PGresult *r = PQgetResult(l->conn);
		l->at_ms = loop_now_ms(l->pool->loop);
		if (!r) {
			if (!b->got_result) return "results out of step";
			if (b->current) next_call(b);
			b->got_result = false;
		} else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
			PQclear(r);
			if (b->current) return "sync out of step";
			end_bundle(l, b);
		} else if (!take_result(b, r)) {
			return "unexpected result";
		} else if (is_loss(b)) {
			return "connection ended by the server";
		}
	}
	return NULL;
}

void lane_read(struct lane *l)
{
	bool alive = PQconsumeInput(l->conn) == 1;
	const char *why = drain(l);
	if (!why && (!alive || PQstatus(l->conn) != CONNECTION_OK)) why = "connection lost";
	if (why)
		lane_break(l, why);
	else
		lane_watch(l);
}
