#ifndef TESTS_SUPPORT_PG_SYNC_H
#define TESTS_SUPPORT_PG_SYNC_H

#include "common/pg/pool.h"

/* A pool with its loop, driven until something happened: for tests. Include pg_sync.c. */
struct pg_sync {
	struct loop *loop;
	struct pg_pool *pool;
	struct timer *guard; /* ends the process: no test may hang */
	struct timer *pause;
	unsigned pending; /* callbacks owed */
};

/** What a group came to, copied. */
struct pg_answer {
	struct pg_sync *owner;
	unsigned calls; /* how often done ran: must be 1 */
	enum err err;
	char sqlstate[6];
	char constraint[64];
	char text[256]; /* first column of the first row of the last result */
	unsigned rows;
	int64_t affected;
	unsigned results;
	/** If set, sees the outcome while it lasts. */
	void (*look)(void *arg, const struct pg_outcome *o);
	void *arg;
};

void pg_sync_start(struct pg_sync *s, const struct pg_pool_config *config, const struct pg_statement_set *set);
void pg_sync_stop(struct pg_sync *s);
/** Runs the loop until a shared lane is ready. */
void pg_sync_ready(struct pg_sync *s);
/** Runs the loop until no callback is owed. */
void pg_sync_wait(struct pg_sync *s);
void pg_sync_sleep(struct pg_sync *s, int64_t ms);
/** Sends one statement; values are C strings or NULL. */
enum err pg_sync_send(struct pg_sync *s, struct pg_answer *answer, enum pg_group_kind kind,
    const struct pg_statement *st, const char *const *values, int64_t timeout_ms);
/** Statement of the set, which must exist. */
const struct pg_statement *pg_sync_find(const struct pg_statement_set *set, const char *name);
/** A set of statements from text: "name", "sql file", …, NULL. */
void pg_sync_set(struct arena *a, struct pg_statement_set *set, const char *const *pairs);
void pg_sync_done(void *arg, const struct pg_outcome *o);

#endif
