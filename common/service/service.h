#ifndef COMMON_SERVICE_SERVICE_H
#define COMMON_SERVICE_SERVICE_H

#include "common/auth/principal.h"
#include "common/contract/contract.h"
#include "common/core/arena.h"
#include "common/core/problem.h"
#include "common/crypto/secret.h"
#include "common/http/message.h"
#include "common/json/json.h"
#include "common/json/json_write.h"
#include "common/pg/pool.h"

/*
 * The runtime a service links. A plain operation needs nothing from here. C enters as a flow: a table of named steps run instead of
 * the single statement, or as a job run on a timer. Steps go forward only; a step that starts something asynchronous returns NEXT_WAIT
 * and the following step sees its outcome.
 */
struct service;
struct request; /* one HTTP exchange, or one run of a job */

enum next { NEXT_STEP, NEXT_WAIT, NEXT_DONE, NEXT_FAIL };

struct step {
	const char *name;
	enum next (*run)(struct request *r);
};

struct flow {
	const char *operation; /* operationId, or the job's name */
	const struct step *steps;
	unsigned step_count;
	size_t state_bytes; /* zeroed state, request_state() */
};

struct job {
	const char *name; /* of a flow */
	int64_t every_ms; /* after the end of the last run */
};

struct service_def {
	const char *name;
	const struct flow *flows;
	unsigned flow_count;
	const struct job *jobs;
	unsigned job_count;
	/** Reads settings and keys; the result is service_context(). Runs after configuration, before the link. */
	enum err (*start)(struct service *s, struct arena *boot, void **context);
	/** Services whose events come into our table `inbox`, each once and in order (consumer.c); needs YG_REDIS. */
	const char *const *consumes;
	unsigned consumes_count;
	size_t exchange_bytes_max; /* memory of one request; 0: 4 MiB */
};

/** serve (default), relay, migrate, check (link only, then exit), operations (print the audit), statements (print the SQL). Returns the exit status. */
int service_main(const struct service_def *def, int argc, char **argv);

void *service_context(const struct service *s);
struct loop *service_loop(const struct service *s);
const struct vault *service_vault(const struct service *s);
/**
 * Purges tags (separated by spaces) in all caches, soon; for what has been committed already. Statements do it by themselves with a
 * column "!purge". Nothing happens without YG_REDIS.
 */
void service_purge(struct service *s, struct str tags);
struct outbound;
/** Shared HTTPS client (common/http/outbound.h), made on first use with YG_OUTBOUND_CA. */
struct outbound *service_outbound(struct service *s);

/** A number that operators see in /metrics, without labels. The same name gives the same cell. */
int64_t *service_gauge(struct service *s, const char *name, const char *help);

/* ── inside a step ── */
struct service *request_service(const struct request *r);
void *request_context(const struct request *r); /* service_context of its service */
void *request_state(const struct request *r);
struct arena *request_arena(struct request *r);
const struct principal *request_principal(const struct request *r);
const struct operation *request_operation(const struct request *r);
/** Parsed body, or NULL. For body_type "*", see request_raw_body. */
const struct json *request_body(const struct request *r);
struct str request_raw_body(const struct request *r);
struct str request_header(const struct request *r, struct str name);
/** Any bind: "path.id", "query.limit", "body.amount_fen", "identity.subject", "new.id", or one set by request_set. Absent when not given. */
struct str request_value(struct request *r, const char *bind);
/** Sets a bind of the flow ("flow.phone_index"); copied. Absent is NULL in SQL. */
void request_set(struct request *r, const char *bind, struct str value);
/** As request_set, but not copied: for what is large and lives as long as the request. */
void request_set_kept(struct request *r, const char *bind, struct str value);
void request_set_i64(struct request *r, const char *bind, int64_t value);
enum language request_language(const struct request *r);
int64_t request_deadline_ms(const struct request *r);
/** Nothing that the request waits for may take longer than `ms` from now; only ever shortens. */
void request_limit_time(struct request *r, int64_t ms);

/** Starts sql/<name>.sql with the request's binds (in a batch if the file says so); the next step reads request_rows. Returns NEXT_WAIT, or NEXT_FAIL. */
enum next request_query(struct request *r, const char *statement);
/** Several statements as one transaction, one round trip; request_rows_at(i) reads each. Statements that return nothing are fine. */
enum next request_query_all(struct request *r, const char *const *statements, unsigned count);
/**
 * In a job, for one statement that takes seconds: as request_query, on a connection of its own, so that nobody waits behind it, with a
 * minute's time, the wait for the connection included.
 */
enum next request_query_apart(struct request *r, const char *statement);
/** As request_query, but a database refusal does not fail the request: the next step asks request_outcome. */
enum next request_try_query(struct request *r, const char *statement);
enum err request_outcome(const struct request *r); /* of the last asynchronous thing */
struct str request_constraint(const struct request *r); /* when ERR_CONSTRAINT */
/** Rows of the last query, copied into the request's arena: valid to its end. */
unsigned request_rows(const struct request *r);
/** A column that the statement does not have is logged and fails the request at its next query, call or answer. */
struct str request_column(const struct request *r, unsigned row, const char *name);
int64_t request_column_i64(const struct request *r, unsigned row, const char *name, int64_t fallback);
unsigned request_rows_at(const struct request *r, unsigned statement);
struct str request_column_at(const struct request *r, unsigned statement, unsigned row, const char *name);

/**
 * In a job: runs `flow` once for each row of the last query, at most `parallel` at a time; there request_column(r, 0, …) is that row.
 * A row that fails is logged and costs no other. The next step goes on when all have ended; rows that were not begun when the
 * process has to stop are left out, so what is taken must be found again later.
 */
enum { EACH_PARALLEL_MAX = 32 };
enum next request_each(struct request *r, const struct flow *flow, unsigned parallel);

/** HTTPS to an outside party. The next step reads request_reply. Transport failures do not fail the request by themselves. */
struct fetch {
	const char *method;
	struct str url;
	const struct http_field *fields;
	unsigned field_count;
	struct str body;
	int64_t timeout_ms;
};
struct reply {
	enum err err; /* ERR_NONE: status is set */
	int status;
	struct http_fields fields; /* arena */
	struct str body;
};

enum next request_fetch(struct request *r, const struct fetch *f);
/**
 * Calls an operation of another service (name as in YG_UPSTREAMS) as kind `system`, with this request's id and trace. `body` is JSON
 * or absent. `safe`: may be repeated. The next step reads request_reply.
 */
enum next request_call(
    struct request *r, const char *service, const char *method, struct str path, struct str body, bool safe);
const struct reply *request_reply(const struct request *r);

/** Runs fn(arg) in the thread pool (argon2, RSA); the next step goes on afterwards. fn must not touch the request. */
enum next request_work(struct request *r, void (*fn)(void *arg), void *arg);
/** Goes on after a pause. */
enum next request_sleep(struct request *r, int64_t ms);

/** Answers. Each ends the flow: return its value. */
enum next request_fail(struct request *r, enum err e, const char *detail_fmt, ...) PRINTF_LIKE(3, 4);
/** A problem of the service's own contract (x-problems). */
enum next request_refuse(struct request *r, const char *slug, const char *detail_fmt, ...) PRINTF_LIKE(3, 4);
/** Adds to the problem being made: Retry-After. */
void request_retry_after(struct request *r, int seconds);
void request_add_header(struct request *r, struct str name, struct str value);
/** Body writer of the answer; then request_answer. */
struct json_writer *request_writer(struct request *r);
/** Ends with `status` (0: the contract's success status) and what the writer holds. */
enum next request_answer(struct request *r, int status);
/** As the last step of a flow: what was wanted is known now, and the operation's own statement runs as if it were a plain one, saved answers of keys included. */
enum next request_go_plain(struct request *r);
/** Ends a job's run, or an HTTP request with a body of any type. */
enum next request_answer_raw(struct request *r, int status, struct str content_type, struct str body);

/** The key's fingerprint of this request (uuid), to compare with a claimed row's; absent without a key. */
struct str request_idempotency_fingerprint(const struct request *r);
/** The answer repeats a stored one: adds Idempotency-Replayed. */
void request_mark_replayed(struct request *r);

/** Fields personal by contract: seals `plain` under a new data key and sets the binds "<bind>" (ciphertext, hex bytea form) and, once per request, "pii.key_id" and "pii.wrapped_key". */
enum err request_seal(struct request *r, const char *bind, struct str context, struct str plain);

#endif
