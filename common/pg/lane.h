#ifndef COMMON_PG_LANE_H
#define COMMON_PG_LANE_H

#include "common/pg/group.h"

/*
 * A lane is one connection in pipeline mode with a queue. What leaves together is a bundle: one or more groups, then one sync, and
 * thus one implicit transaction. Results arrive in the order of the bundles.
 *
 *   lane.c      queue, sending, breaking off
 *   lane_read.c results, ends of bundles, retries
 *   lane_connect.c  connecting and preparing, backoff
 */
struct pg_pool;

enum lane_role { LANE_SHARED, LANE_WRITER, LANE_EXCLUSIVE, LANE_ROLES };
enum lane_state { LANE_DOWN, LANE_CONNECTING, LANE_PREPARING, LANE_READY };

enum { BUNDLE_GROUPS_MAX = 128, LANE_IN_FLIGHT_MAX = 512 };

struct bundle {
	struct list link; /* in lane->bundles */
	struct list groups;
	struct pg_group *current; /* whose results come next; NULL: the sync is next */
	unsigned call; /* of current */
	bool got_result; /* of call; its terminating NULL is next */
	bool failed;
	PGresult *sync_error; /* the commit itself failed (deferred constraints) */
};

struct lane {
	struct list link; /* in pool->lanes[role] */
	struct pg_pool *pool;
	const struct pg_statement_set *set;
	enum lane_role role;
	enum lane_state state;
	PGconn *conn;
	struct watch *watch;
	int watching;
	bool dirty; /* has something to send */
	bool outdated; /* a newer statement set is there: takes only what that does not know, closes when idle */
	bool prepare_failed;
	bool was_ready;
	unsigned attempts; /* since the last success */
	unsigned prepare_next; /* statement whose PREPARE is answered next */
	unsigned prepare_count;
	int64_t at_ms; /* DOWN: when to try again; CONNECTING, PREPARING: when to give up; READY: last progress */
	int64_t idle_since_ms;
	struct list waiting;
	struct list retries;
	struct list bundles;
	unsigned queued; /* waiting and retries */
	unsigned in_flight; /* in bundles */
	struct pg_session *session; /* that has this exclusive lane */
};

struct lane *lane_new(struct pg_pool *p, enum lane_role role, const struct pg_statement_set *set);
/** Nothing may be queued or in flight. */
void lane_free(struct lane *l);
static inline unsigned lane_busy(const struct lane *l)
{
	return l->queued + l->in_flight;
}
/** The lane's set has all statements of the group with the same text; the group then refers to the lane's own. */
bool lane_fits(const struct lane *l, struct pg_group *g);
/** Queues; leaves with the next PHASE_DATABASE. The group must fit. */
void lane_submit(struct lane *l, struct pg_group *g);
/** Sends what waits. */
void lane_flush(struct lane *l);
/** Fails or moves everything, closes the connection and plans the next attempt. */
void lane_break(struct lane *l, const char *why);
/** Deadlines, stuck heads, due retries and reconnects. */
void lane_tick(struct lane *l, int64_t now_ms);

/* lane_read.c */
void lane_read(struct lane *l);
void bundle_free(struct bundle *b);

/* lane_connect.c */
void lane_connect(struct lane *l);
void lane_prepare_read(struct lane *l);
void lane_plan_retry(struct lane *l);
void lane_watch(struct lane *l);

#endif
