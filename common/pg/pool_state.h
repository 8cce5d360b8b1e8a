#ifndef COMMON_PG_POOL_STATE_H
#define COMMON_PG_POOL_STATE_H

#include "common/core/arena.h"
#include "common/pg/lane.h"

enum { TICK_BUSY_MS = 20, TICK_IDLE_MS = 1000, RETIRE_IDLE_MS = 2000, SESSION_IDLE_MS = 30000, HEAD_GRACE_MS = 2000 };

struct retired_set {
	struct list link;
	const struct pg_statement_set *set;
	void (*released)(void *arg);
	void *arg;
};

struct pg_pool {
	struct loop *loop;
	struct arena memory; /* copies of the configuration */
	struct pg_pool_config config;
	const struct pg_statement_set *set;
	struct list lanes[LANE_ROLES];
	struct list finished; /* groups whose done is due */
	struct list sessions_waiting;
	struct list sessions_ready; /* whose `ready` is due */
	struct list sessions; /* handed out, or ending */
	struct list batches;
	struct list expired_members; /* of batches; their owners hear in PHASE_RUN */
	struct list retired;
	struct loop_task run_task;
	struct loop_task database_task;
	struct timer *timer;
	bool ticking_fast;
	bool dying; /* freed when the last queued task has run */
	unsigned session_waiting_count;
	struct pg_stats stats;
};

/** Hands the group to its owner in PHASE_RUN. */
void pool_finish(struct pg_pool *p, struct pg_group *g, enum err e);
/** Least busy lane of the role that can take the group, not `except`; NULL when there is none. */
struct lane *pool_place(struct pg_pool *p, enum lane_role role, struct pg_group *g, const struct lane *except);
void pool_wake_database(struct pg_pool *p);
void pool_wake_run(struct pg_pool *p);
void pool_tick_fast(struct pg_pool *p);
int64_t pool_statement_timeout(const struct pg_pool *p, enum lane_role role);
/** 0 … n-1, for jitter. */
unsigned pool_jitter(unsigned n);

/* session.c */
void sessions_assign(struct pg_pool *p);
void sessions_deliver(struct pg_pool *p);
void sessions_tick(struct pg_pool *p, int64_t now_ms);
void sessions_fail_all(struct pg_pool *p);
void sessions_free_all(struct pg_pool *p);
/** Who asked waits until the group's deadline: what is not done by then must not be done behind his back. Before each try. */
void session_limit_apart(struct pg_group *g, const struct pg_pool *p);
void session_group_finished(struct pg_group *g);
void session_lost(struct pg_session *s);
void session_delivered(struct pg_session *s, bool ended);

/* batch.c */
void batches_feed(struct pg_pool *p);
void batches_tick(struct pg_pool *p, int64_t now_ms);
void batches_deliver(struct pg_pool *p);
void batches_fail_all(struct pg_pool *p);
bool batches_waiting(const struct pg_pool *p);

#endif
