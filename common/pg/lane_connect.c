/* From nothing to a lane that takes work: PQconnectStart/Poll without blocking, then every statement prepared in one pipelined
 * burst. Host names are resolved by libpq and would block: give addresses. After a failure the next attempt waits 50 ms to 5 s
 * with jitter and begins with the next of several hosts. */
#include <libpq-fe.h>

#include "common/core/id.h"
#include "common/core/log.h"
#include "common/pg/conn_params.h"
#include "common/pg/pool_state.h"

enum {
	ATTEMPT_MS = 3000,
	PREPARE_MS = 10000,
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MAX_MS = 5000,
	PARAMS_BYTES_MAX = 64 * 1024,
	LOCK_TIMEOUT_MS = 250, /* of shared lanes: what waits for a lock holds up all that stands behind it */
	GONE_CHECK_MS = 1000 /* of exclusive ones: a statement that may wait for a minute ends with its process */
};

static void on_connecting(void *arg, int events);

unsigned pool_jitter(unsigned n)
{
	uint32_t r;
	id_random(&r, sizeof r);
	return r % n;
}

void lane_plan_retry(struct lane *l)
{
	int64_t wait = BACKOFF_FIRST_MS;
	for (unsigned i = 0; i < l->attempts && wait < BACKOFF_MAX_MS; i++) wait *= 2;
	if (wait > BACKOFF_MAX_MS) wait = BACKOFF_MAX_MS;
	wait = wait / 2 + pool_jitter((unsigned)wait / 2 + 1);
	l->attempts++;
	l->state = LANE_DOWN;
	l->at_ms = loop_now_ms(l->pool->loop) + wait;
	pool_tick_fast(l->pool);
}

static void on_ready(void *arg, int events)
{
	struct lane *l = arg;
	if (events & WATCH_ERROR) {
		lane_break(l, "poll failed");
		return;
	}
	if ((events & WATCH_WRITE) && PQflush(l->conn) < 0) {
		lane_break(l, "write failed");
		return;
	}
	if (l->state == LANE_PREPARING)
		lane_prepare_read(l);
	else
		lane_read(l);
}

void lane_watch(struct lane *l)
{
	if (!l->conn || !l->watch) return;
	int left = PQflush(l->conn);
	int want = WATCH_READ | (left == 1 ? WATCH_WRITE : 0);
	if (want == l->watching) return;
	l->watching = want;
	watch_set(l->watch, want);
}

/* libpq may replace the socket under the same number while it connects: a fresh watch after every poll call. */
static bool rewatch(struct lane *l, int events, void (*fn)(void *, int))
{
	watch_free(l->watch);
	l->watch = watch_new(l->pool->loop, PQsocket(l->conn), fn, l);
	l->watching = events;
	if (l->watch) watch_set(l->watch, events);
	return l->watch != NULL;
}

static bool wanted(const struct lane *l, const struct pg_statement *s)
{
	return l->role != LANE_WRITER || s->batch_max > 0;
}

static void start_preparing(struct lane *l)
{
	l->state = LANE_PREPARING;
	l->at_ms = loop_now_ms(l->pool->loop) + PREPARE_MS;
	l->prepare_next = 0;
	l->prepare_failed = false;
	bool good = PQsetnonblocking(l->conn, 1) == 0 && PQenterPipelineMode(l->conn) == 1;
	for (unsigned i = 0; i < l->set->count && good; i++) {
		const struct pg_statement *s = l->set->items[i];
		if (wanted(l, s)) good = PQsendPrepare(l->conn, s->name.p, s->sql.p, 0, NULL) == 1;
	}
	good = good && PQpipelineSync(l->conn) == 1;
	good = rewatch(l, WATCH_READ, on_ready) && good;
	if (!good)
		lane_break(l, "prepare could not be sent");
	else
		lane_watch(l);
}

static void poll_connection(struct lane *l)
{
	bool good = false;
	switch (PQconnectPoll(l->conn)) {
	case PGRES_POLLING_OK:
		start_preparing(l);
		return;
	case PGRES_POLLING_READING:
		good = rewatch(l, WATCH_READ, on_connecting);
		break;
	case PGRES_POLLING_WRITING:
		good = rewatch(l, WATCH_WRITE, on_connecting);
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
	default:
		break;
	}
	if (!good) lane_break(l, "connect failed");
}

static void on_connecting(void *arg, int events)
{
	(void)events; /* an error shows in PQconnectPoll */
	poll_connection(arg);
}

void lane_connect(struct lane *l)
{
	struct pg_pool *p = l->pool;
	struct conn_params params;
	struct arena scratch;
	struct conn_settings settings = { .statement_timeout_ms = pool_statement_timeout(p, l->role),
		.idle_in_transaction_ms = p->config.exclusive_timeout_ms,
		.lock_timeout_ms = l->role == LANE_SHARED ? LOCK_TIMEOUT_MS : 0,
		.gone_check_ms = l->role == LANE_EXCLUSIVE ? GONE_CHECK_MS : 0,
		.application_name = p->config.application_name,
		.rotate = l->attempts };
	CHECK(l->state == LANE_DOWN && !l->conn && !l->watch);
	arena_init(&scratch, 4096, PARAMS_BYTES_MAX);
	enum err e = conn_params_make(&scratch, p->config.conninfo, &settings, &params);
	if (!e) l->conn = PQconnectStartParams(params.keywords, params.values, 0);
	arena_release(&scratch);
	if (l->conn) conn_quiet(l->conn);
	l->state = LANE_CONNECTING;
	l->at_ms = loop_now_ms(p->loop) + ATTEMPT_MS;
	/* As the manual asks: first wait until it can be written. */
	bool good = l->conn && PQstatus(l->conn) != CONNECTION_BAD && rewatch(l, WATCH_WRITE, on_connecting);
	if (!good) lane_break(l, "connect failed");
}

static void log_refused(const struct lane *l, const PGresult *r)
{
	unsigned at = 0;
	const struct pg_statement *s = NULL;
	for (unsigned i = 0; i < l->set->count && !s; i++)
		if (wanted(l, l->set->items[i]) && at++ == l->prepare_next) s = l->set->items[i];
	log_begin(LOG_ERROR, "statement could not be prepared");
	if (s) log_str("operation", s->name);
	log_str("message", str_of(PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)));
	log_end();
}

static void become_ready(struct lane *l)
{
	if (l->was_ready) l->pool->stats.reconnects++;
	l->was_ready = true;
	l->state = LANE_READY;
	l->attempts = 0;
	l->at_ms = l->idle_since_ms = loop_now_ms(l->pool->loop);
	l->dirty = true;
	pool_wake_database(l->pool);
}

void lane_prepare_read(struct lane *l)
{
	bool alive = PQconsumeInput(l->conn) == 1;
	bool ended = false;
	for (unsigned nulls = 0; !ended && nulls < 2 && !PQisBusy(l->conn);) {
		PGresult *r = PQgetResult(l->conn);
		nulls = r ? 0 : nulls + 1;
		ExecStatusType status = r ? PQresultStatus(r) : PGRES_EMPTY_QUERY;
		ended = status == PGRES_PIPELINE_SYNC;
		if (status == PGRES_COMMAND_OK) l->prepare_next++;
		if (status == PGRES_FATAL_ERROR) {
			if (!l->prepare_failed) log_refused(l, r);
			l->prepare_failed = true;
		}
		PQclear(r);
	}
	if (!alive || PQstatus(l->conn) != CONNECTION_OK)
		lane_break(l, "connection lost");
	else if (ended && l->prepare_failed)
		lane_break(l, "statements do not fit the database");
	else if (ended)
		become_ready(l);
	else
		lane_watch(l);
}
