#ifndef COMMON_PG_POOL_H
#define COMMON_PG_POOL_H

#include "common/core/arena.h"
#include "common/core/err.h"
#include "common/net/loop.h"
#include "common/pg/statement.h"

/* PostgreSQL through libpq's pipeline mode. Only common/pg includes <libpq-fe.h>. */
struct pg_pool;
struct pg_result; /* borrowed inside a callback only */

/** A value sent: text form; p == NULL is SQL NULL. */
struct pg_value {
	struct str text;
};

unsigned pg_rows(const struct pg_result *r);
unsigned pg_columns(const struct pg_result *r);
bool pg_is_null(const struct pg_result *r, unsigned row, unsigned column);
/** Text form; absent for NULL. */
struct str pg_get(const struct pg_result *r, unsigned row, unsigned column);
/** As text, whichever form the result came in; maybe in `scratch` (BINARY_TEXT_BYTES). */
struct str pg_get_text(const struct pg_result *r, unsigned row, unsigned column, char scratch[48]);
int64_t pg_get_i64(const struct pg_result *r, unsigned row, unsigned column, int64_t fallback);
/** Column by name, or -1. */
int pg_column(const struct pg_result *r, const char *name);
struct str pg_column_name(const struct pg_result *r, unsigned column);
unsigned pg_column_type(const struct pg_result *r, unsigned column); /* type oid */
/** Rows an INSERT/UPDATE/DELETE touched. */
int64_t pg_affected(const struct pg_result *r);

/** How a group ended. err: ERR_NONE; ERR_CONSTRAINT (constraint is set); ERR_SQL; ERR_TIMEOUT (57014, or past its deadline); ERR_RETRY (serialization, deadlock or a lock that did not come; tries used up); ERR_UNAVAILABLE (no connection, or lost: the effect is unknown for writes). */
struct pg_outcome {
	enum err err;
	char sqlstate[6];
	struct str constraint; /* constraint name as in the schema */
	struct str message; /* for the log only */
	const struct pg_result *const *results; /* one per statement, when err is ERR_NONE */
	unsigned result_count;
};

typedef void pg_done(void *arg, const struct pg_outcome *outcome);

/** One statement of a group with its values. */
struct pg_call {
	const struct pg_statement *statement;
	const struct pg_value *values; /* statement->param_count of them */
};

enum pg_group_kind {
	PG_READ, /* no effects: repeated when its connection broke. One statement alone may share a transaction and a sync with its
	            neighbours (and is repeated alone if one of them failed), so it must not change settings; several have their own,
	            so that identity_set holds for its group only. A group with a tx: write statement becomes PG_WRITE. */
	PG_WRITE, /* one implicit transaction of its own; 40001, 40P01 and 55P03 are retried inside, at most 3 times */
};

struct pg_pool_config {
	struct str
	    conninfo; /* libpq connection string; several hosts and target_session_attrs allowed; statement_timeout is set by us */
	unsigned shared_lanes; /* pipelined; default 2. A lock is waited for 250 ms: then ERR_RETRY, as above */
	unsigned writer_lanes; /* batches (pg/batch.h), one in flight each; default 1 */
	unsigned exclusive_lanes; /* sessions; opened when first needed; default 2 */
	unsigned queue_max; /* groups waiting or in flight per lane; default 1024 */
	int64_t statement_timeout_ms; /* shared and writer lanes; default 5000 */
	int64_t exclusive_timeout_ms; /* default 60000 */
	const char *application_name;
};

/**
 * Opens the lanes and keeps them open (reconnect with jittered backoff 50 ms … 5 s). Statements registered with
 * pg_statement_set are prepared on each connection before it takes work.
 */
struct pg_pool *pg_pool_new(
    struct loop *l, const struct pg_pool_config *config, const struct pg_statement_set *statements);
/** Fails what is queued with ERR_UNAVAILABLE (done runs inside) and frees, sessions too. Never from inside a callback of the pool. */
void pg_pool_free(struct pg_pool *p);
/** At least one shared lane is connected and prepared. */
bool pg_pool_ready(const struct pg_pool *p);
/** Replaces the set (SIGHUP): new connections replace the old ones as these fall idle; groups may refer to either set until the old one's `released` is called. */
void pg_pool_relink(
    struct pg_pool *p, const struct pg_statement_set *statements, void (*released)(void *arg), void *arg);

/**
 * Queues the group on the least busy shared lane; values are copied. It leaves at the end of the turn (PHASE_DATABASE).
 * `done` runs from PHASE_RUN, exactly once, also on loss, deadline (absolute ms) or pool end.
 * A batch statement sent here is a batch of one. Fails: ERR_BUSY when every queue is full, ERR_UNAVAILABLE when no lane is connected,
 * ERR_VALIDATION_FAILED for a value with a NUL byte, ERR_PAYLOAD_TOO_LARGE past 16 MiB; then done is not called.
 */
MUST_USE enum err pg_send(struct pg_pool *p, enum pg_group_kind kind, const struct pg_call *calls, unsigned count,
    int64_t deadline_ms, pg_done *done, void *arg);

/**
 * As pg_send, for what may take or wait for long: on an exclusive lane, so that nobody stands behind it. What is not done by deadline_ms, or
 * within the lane's time-out, is undone (ERR_TIMEOUT).
 */
MUST_USE enum err pg_send_apart(
    struct pg_pool *p, const struct pg_call *calls, unsigned count, int64_t deadline_ms, pg_done *done, void *arg);

/** Exclusive lane: a connection of one's own for BEGIN … decide in C … COMMIT. */
struct pg_session;
typedef void pg_session_ready(void *arg, enum err status, struct pg_session *s);
MUST_USE enum err pg_session_open(struct pg_pool *p, int64_t deadline_ms, pg_session_ready *ready, void *arg);
/**
 * Runs statements in order inside the session's transaction (opened by the first call); done as in pg_send. One call at a time
 * (else ERR_BUSY). ERR_UNAVAILABLE when the connection is gone: only pg_session_end is left to do.
 */
MUST_USE enum err pg_session_send(
    struct pg_session *s, const struct pg_call *calls, unsigned count, pg_done *done, void *arg);
/** Commits (or rolls back) and gives the connection back; `done` hears whether the commit held (ERR_ABORTED: a statement had failed). */
void pg_session_end(struct pg_session *s, bool commit, pg_done *done, void *arg);

struct pg_stats {
	unsigned lanes, connected;
	unsigned queued /* and sessions that wait for their lane */, in_flight;
	uint64_t groups, retries, reconnects, syncs;
};
struct pg_stats pg_pool_stats(const struct pg_pool *p);

#endif
