#ifndef COMMON_SERVICE_RUNTIME_H
#define COMMON_SERVICE_RUNTIME_H

#include "common/core/list.h"
#include "common/http/client.h"
#include "common/http/outbound.h"
#include "common/http/server.h"
#include "common/pg/batch.h"
#include "common/pg/rows.h"
#include "common/service/metrics.h"
#include "common/service/otlp.h"
#include "common/service/private_listener.h"
#include "common/service/service.h"
#include "common/service/trace.h"

/* Inside of the runtime: shared by common/service/ only. Services see service.h. */

/* Where a bind's value comes from: decided at link time for an operation's own statement. */
enum bind_source {
	BIND_PARAMETER, /* index into the bound parameters */
	BIND_BODY, /* path into the body */
	BIND_WHOLE_BODY,
	BIND_IDENTITY_KIND,
	BIND_IDENTITY_SUBJECT,
	BIND_IDENTITY_ORGANIZATION,
	BIND_IDENTITY_SESSION,
	BIND_IDENTITY_CLIENT,
	BIND_NEW_ID,
	BIND_NEW_PUBLIC_CODE,
	BIND_REQUEST_ID,
	BIND_PAGE_LIMIT,
	BIND_PAGE_KEY,
	BIND_IDEMPOTENCY_ID,
	BIND_IDEMPOTENCY_FINGERPRINT,
	BIND_SET /* given by C: flow.x, pii.x */
};

struct bind {
	enum bind_source source;
	int index;
	struct str name; /* "body.amount_fen", "page.at" */
	struct str path; /* name without its first part */
};

/* Columns whose alias starts with '!': index, or -1. */
struct steering {
	int problem, detail, etag, location, status, fingerprint, pending, tags, purge;
	int items, more; /* a page whose one row has all items as JSON text, and 't' when more follow */
};

/* A statement made ready for an operation (or, with no operation, for flows and jobs). */
struct plan {
	const struct pg_statement *statement;
	struct bind *binds; /* by parameter */
	const struct row_shape *shape; /* NULL: nothing to write */
	int raw_column; /* the first that is neither steering nor a key: the body of shape raw */
	struct steering steering;
	int *page_columns; /* columns named page.… */
	unsigned page_column_count;
	struct pg_batch *batch; /* of batch statements; made when serving */
};

struct linked_operation {
	const struct operation *operation;
	const struct flow *flow; /* NULL: plain */
	struct plan plain; /* statement NULL: flow only */
	struct plan replay; /* statement NULL: no saved answers */
};

/* One consistent set of contract, SQL and schema. Replaced as a whole on SIGHUP. */
struct link {
	struct arena arena;
	const struct contract *contract;
	struct pg_statement_set statements;
	struct linked_operation *operations; /* by operation->index */
	struct plan *plans; /* of every statement, by order in the set: for flows */
	struct map plans_by_name;
	struct map shapes; /* of every statement by name: its plans share one */
	const struct plan *identity; /* identity_set */
	struct operation_metrics *metrics; /* by operation->index; the last one: unmatched */
	unsigned users; /* requests that refer to it */
	bool retired;
	struct service *service;
};

/* An identity header seen before, so that its MAC is computed once. */
struct known_identity {
	int64_t expires_s;
	enum principal_kind kind;
	char text[1200]; /* subject, organization, session, client, scopes one after the other */
	uint16_t ends[5];
};

enum { IDENTITY_KEYS_MAX = 4, UPSTREAMS_MAX = 16, UPSTREAM_ADDRESSES_MAX = 16 };

struct upstream_entry {
	struct str name;
	struct upstream *upstream; /* made on first use */
	struct str addresses[UPSTREAM_ADDRESSES_MAX];
	unsigned address_count;
};

/* A new link in the making. */
struct relink {
	struct str conninfo;
	struct buf report;
	struct link *fresh;
	bool running, again;
};

struct service {
	const struct service_def *def;
	struct arena boot;
	void *context;
	struct loop *loop;
	struct link *link;
	struct pg_pool *pool;
	struct http_server *server;
	struct private_listener *private_listener;
	struct vault *vault;
	struct outbound *outbound;
	struct upstream_entry upstreams[UPSTREAMS_MAX];
	unsigned upstream_count;
	struct str identity_keys[IDENTITY_KEYS_MAX];
	unsigned identity_key_count;
	struct lru identities; /* header text → struct known_identity */
	struct str cursor_keys[IDENTITY_KEYS_MAX]; /* made from the identity keys */
	struct str public_url;
	struct str dir; /* services/<name> */
	struct str proto;
	struct buf scratch; /* body of the answer being made; used within one step */
	struct metrics *metrics;
	struct otlp *otlp; /* NULL: no traces are exported */
	struct job_runner *jobs;
	struct purger *purger; /* NULL: no Redis */
	struct relink relink;
	unsigned worker; /* 0 unless YG_WORKERS says more */
	bool draining;
	int64_t stop_by_ms;
};

struct setting {
	struct setting *next;
	struct str bind;
	struct str value;
};

/* The rows of a query, copied so that they outlive the result. */
struct rows {
	unsigned row_count, column_count;
	struct str *names;
	struct str *cells; /* row-major; absent is NULL */
	const struct plan *plan;
	struct request *owner;
};

enum { ANSWER_FIELDS_MAX = 12, BODY_BYTES_MAX = 8 * 1024 * 1024 };

struct request {
	struct service *service;
	struct link *link;
	struct linked_operation *linked; /* NULL for jobs and before routing */
	struct http_exchange *x; /* NULL for jobs */
	struct job_runner *job; /* NULL for HTTP */
	struct each_slot *slot; /* of one row of a job's query */
	struct arena *arena;
	struct principal principal;
	struct route route;
	struct bound_parameters parameters;
	struct violations violations;
	const struct json *body;
	enum language language;
	struct problem problem;
	struct str request_id;
	struct trace trace;
	int64_t deadline_ms;
	int64_t started_ns;

	const struct step *steps;
	unsigned step_count, step;
	const char *step_name; /* for gdb and the log */
	void *state;
	struct loop_task task;
	bool running, waiting;

	enum err outcome;
	struct str constraint;
	bool tolerant; /* request_try_query: a refusal is for the next step */
	bool broken; /* a flow asked for what the linked SQL does not have: nothing may follow from it */
	struct rows *rows; /* by statement */
	unsigned rows_count;
	struct reply reply;

	struct setting *settings;
	char new_id[36];
	char new_public_code[16];
	bool has_new_id, has_new_public_code;
	int64_t page_limit;
	struct setting *page_keys;

	struct str idempotency_key;
	struct str idempotency_id, idempotency_fingerprint;
	bool replayed, sought; /* answered by, or looked for, a saved answer */
	bool pii_key_made;
	unsigned char pii_key[AES_KEY_BYTES];

	struct buf out; /* of flows */
	struct json_writer writer;
	bool writer_open;
	int status;
	struct http_field fields[ANSWER_FIELDS_MAX];
	unsigned field_count;
};

/* request.c: the life of one HTTP request */
void request_receive(void *service, struct http_exchange *x);
void request_refused(void *service, struct http_exchange *x, enum err why);
enum err request_head(void *service, struct http_exchange *x, size_t *body_bytes_max);
void request_finished(void *service, struct http_exchange *x, int status, size_t bytes);
/* Goes on with the step table until something waits or the answer is out. */
void request_run(struct request *r);
/* From a completion: the wait is over. */
void request_resume(struct request *r);
/* The flow is over: writes the problem, or ends the job's run. */
void request_end(struct request *r, enum next how);
/* Lets go of what the request holds outside its arena. */
void request_leave(struct request *r);

/* binds.c */
enum err bind_compile(
    struct link *l, const struct operation *op, const struct pg_statement *s, struct bind **out, struct buf *report);
enum err bind_values(struct request *r, const struct plan *plan, struct pg_value **out);

/* link.c */
/* Waits half a minute for a database that is not there yet (both start, or it recovers): that is no drift to give up about. */
void link_wait(struct str conninfo);
struct link *link_load(struct service *s, struct str conninfo, struct buf *report);
/* The statements of the runtime alone: no contract, no operations, no plans. For the relay. */
struct link *link_load_runtime(struct service *s, struct str conninfo, struct buf *report);
void link_release(struct link *l);
const struct plan *link_plan(const struct link *l, struct str statement);
const struct flow *flow_find(const struct service_def *def, struct str name);

/* relink.c */
void batches_make(struct service *s, struct link *l);
void relink_start(struct service *s);

/* link_check.c: each adds a line per fault */
void check_operation(const struct operation *op, struct buf *report);
void check_shape(const struct operation *op, const struct pg_statement *s, struct buf *report);
void check_binds(const struct operation *op, const struct pg_statement *s, struct buf *report);
void check_columns(const struct operation *op, const struct pg_statement *s, struct buf *report);
void check_flows(const struct service_def *def, const struct contract *c, struct buf *report);
void check_constraints(const struct contract *c, const struct map *constraints, struct buf *report);

/* answer.c: results to answers */
void answer_problem(struct request *r);
enum next answer_result(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned first, unsigned count);
enum next answer_outcome(struct request *r, const struct pg_outcome *o);
/* The problem slug of a constraint: its name with '-' for '_'. */
enum { SLUG_BYTES_MAX = 128 };
struct str constraint_slug(struct str constraint, char slug[SLUG_BYTES_MAX]);
/* True when the list of If-None-Match names the entity tag (weak comparison, RFC 9110 13.1.2). */
bool etag_matches(struct str list, struct str tag);
void answer_send(struct request *r, int status, struct str content_type, struct str body);

/* purge.c: what is cached elsewhere and was changed here; service_purge is in service.h */
enum err purger_start(struct service *s);
/* Nothing waits to be told, or nobody can be. */
bool purger_idle(const struct service *s);
/* The "!purge" column of the rows, once their transaction has been committed. */
void purge_rows(
    struct request *r, const struct plan *plan, const struct pg_result *result, unsigned first, unsigned count);

/* page.c */
enum { PAGE_KEYS_MAX = 8, CURSOR_BYTES_MAX = 768 }; /* 1024 characters, as common.yaml has it */
struct page_key {
	struct str name;
	struct str value; /* absent is NULL */
};
/* Keys as bytes of a cursor, and back. Fails: ERR_PAYLOAD_TOO_LARGE; ERR_CURSOR_MISMATCH. */
MUST_USE enum err page_keys_write(
    const struct page_key *keys, unsigned count, char out[CURSOR_BYTES_MAX], size_t *bytes);
MUST_USE enum err page_keys_read(struct str bytes, struct page_key keys[PAGE_KEYS_MAX], unsigned *count);
enum err page_read_cursor(struct request *r);
/* has_more, next_cursor, and the Link field. False when the keys do not fit a cursor. */
bool page_write_end(struct request *r, struct json_writer *w, const struct plan *plan, const struct pg_result *result,
    unsigned first, unsigned shown, bool more);

/* idempotency.c */
enum err idempotency_check_key(struct request *r);
enum err idempotency_claim_ids(struct request *r);
/* The key itself: trimmed, without quotes. False when it is none. */
bool idempotency_normalise(struct arena *a, struct str raw, struct str *key);
/* A body by its value: members sorted, no white space. */
void idempotency_put_canonical(struct buf *out, struct arena *a, const struct json *v);

/* query.c: statements */
extern const struct step plain_steps[];
extern const unsigned plain_step_count;

/* job.c */
void jobs_start(struct service *s);
void jobs_stop(struct service *s);
void job_finished(struct job_runner *j, bool failed);
const char *job_name(const struct job_runner *j);
/* A request without a client, of the system itself. */
struct request *job_request(struct service *s, struct link *l, struct arena *a, const struct flow *flow);
/* The deadline of a job, from now. */
void job_more_time(struct request *r);
void job_arena_init(struct arena *a);

/* each.c */
void each_ended(struct each_slot *slot, bool failed);

bool jobs_idle(const struct service *s);

/* consumer.c: events of other services into our inbox */
void consumers_start(struct service *s);

/* prune.c: what every service forgets after a while */
extern const struct flow prune_flows[];
extern const struct job prune_jobs[];
enum { PRUNE_JOBS = 3 };

/* relay.c */
int relay_main(struct service *s);

/* observe.c: metrics and the access log */
enum err observe_start(struct service *s);
void observe_link(struct service *s);
void observe_request(struct request *r, int status, size_t bytes);

/* settings.c */
enum err settings_read(struct service *s);
enum err identity_keys_read(struct arena *boot, struct str keys[IDENTITY_KEYS_MAX], unsigned *count);

#endif
