/* The life of one request in a service: the table of steps, and the runner that walks it. */
#include "common/service/runtime.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/core/log.h"

enum { DEADLINE_DEFAULT_MS = 10000, DEADLINE_MAX_MS = 120000, BODY_BYTES_UNROUTED = 64 * 1024 };

static enum next step_route(struct request *r);
static enum next step_verify_identity(struct request *r);
static enum next step_authorize(struct request *r);
static enum next step_validate(struct request *r);
static enum next step_recall(struct request *r);
static enum next step_execute(struct request *r);

/* THE TABLE. `execute` goes over to the operation's flow, or to the two steps of a plain operation (query.c: execute, shape). */
static const struct step life[] = {
	{ "route", step_route },
	{ "verify identity", step_verify_identity },
	{ "authorize", step_authorize },
	{ "validate", step_validate },
	{ "recall", step_recall },
	{ "execute", step_execute },
};

static void run_task(struct loop_task *task)
{
	struct request *r = CONTAINER_OF(task, struct request, task);
	r->waiting = false;
	request_run(r);
}

/* Milliseconds that the caller still waits; none left is an answer too. What is not a number is as good as nothing said. */
static int64_t time_left(struct http_fields fields)
{
	int64_t left;
	struct str given = http_get(fields, STR("x-yangguang-deadline-ms"));
	if (!given.p || !str_to_i64(given, &left)) return DEADLINE_DEFAULT_MS;
	return left < 0 ? 0 : left > DEADLINE_MAX_MS ? DEADLINE_MAX_MS : left;
}

static struct request *request_new(struct service *s, struct http_exchange *x)
{
	struct request *r = ARENA_NEW(&x->arena, struct request);
	CHECK(r != NULL);
	*r = (struct request){ .service = s, .link = s->link, .x = x, .arena = &x->arena, .task = { .run = run_task } };
	r->started_ns = x->received_ns ? x->received_ns : clock_mono_ns();
	r->language = http_language(x->fields);
	r->link->users++;
	x->user = r;
	violations_init(&r->violations, r->arena);
	struct str id = http_get(x->fields, STR("x-request-id"));
	if (!id_is_uuid(id)) {
		char *made = arena_alloc(r->arena, UUID_TEXT_BYTES);
		CHECK(made != NULL);
		id_uuid7(made);
		id = str_span(made, UUID_TEXT_BYTES);
	}
	r->request_id = id;
	trace_begin(&r->trace, r->arena, x->fields);
	if (s->otlp) otlp_sample(s->otlp, &r->trace);
	r->deadline_ms = loop_now_ms(s->loop) + time_left(x->fields);
	return r;
}

/* The gateway's question whether this process answers at all: no request of anybody's, so neither counted nor logged. */
static bool answer_probe(struct http_exchange *x)
{
	if (!str_eq(x->path, STR("/livez")) || !str_eq(x->method, STR("GET"))) return false;
	http_respond(x, &(struct http_response){ .status = 204 });
	return true;
}

void request_receive(void *service, struct http_exchange *x)
{
	if (answer_probe(x)) return;
	struct request *r = x->user ? x->user : request_new(service, x);
	r->steps = life;
	r->step_count = ARRAY_LEN(life);
	request_run(r);
}

/* The body limit is the operation's own, known as soon as the head is complete. */
enum err request_head(void *service, struct http_exchange *x, size_t *body_bytes_max)
{
	struct service *s = service;
	struct route route;
	struct str path;
	/* Nothing to limit: most requests are routed only once. */
	if (!http_get(x->fields, STR("content-length")).p && !http_get(x->fields, STR("transfer-encoding")).p)
		return ERR_NONE;
	*body_bytes_max = BODY_BYTES_UNROUTED;
	if (contract_normalize_path(&x->arena, x->path, &path) != ERR_NONE)
		return ERR_NONE; /* refused by `route` with a problem */
	if (contract_route(s->link->contract, &x->arena, x->method, path, &route) != ERR_NONE) return ERR_NONE;
	*body_bytes_max = route.operation->body_bytes_max;
	return ERR_NONE;
}

void request_refused(void *service, struct http_exchange *x, enum err why)
{
	struct request *r = request_new(service, x);
	r->problem.err = why;
	answer_problem(r);
}

void request_leave(struct request *r)
{
	if (r->link && --r->link->users == 0 && r->link->retired) link_release(r->link);
	r->link = NULL;
	buf_free(&r->out);
	crypto_wipe(r->pii_key, sizeof r->pii_key);
}

void request_finished(void *service, struct http_exchange *x, int status, size_t bytes)
{
	(void)service;
	struct request *r = x->user;
	if (!r) return;
	observe_request(r, status, bytes);
	request_leave(r);
	x->user = NULL;
}

void request_resume(struct request *r)
{
	loop_push(r->service->loop, PHASE_RUN, &r->task);
}

void request_end(struct request *r, enum next how)
{
	if (r->job) {
		if (how == NEXT_FAIL)
			log_line(LOG_WARN, "job failed", "%s at %s: %s", job_name(r->job), r->step_name,
			    err_info(r->problem.err ? r->problem.err : ERR_INTERNAL)->name);
		request_leave(r);
		job_finished(r->job, how == NEXT_FAIL);
		return;
	}
	if (r->slot) {
		request_leave(r);
		each_ended(r->slot, how == NEXT_FAIL);
		return;
	}
	if (how == NEXT_FAIL) answer_problem(r);
}

void request_run(struct request *r)
{
	CHECK(!r->running);
	r->running = true;
	enum next next = NEXT_STEP;
	while (next == NEXT_STEP && r->step < r->step_count) {
		const struct step *step = &r->steps[r->step++];
		r->step_name = step->name;
		next = step->run(r);
	}
	r->running = false;
	if (next == NEXT_WAIT) return;
	/* A flow that runs off its table without an answer is a bug; a job simply ends. */
	if (next == NEXT_STEP && r->x) next = request_fail(r, ERR_INTERNAL, "the flow ended without an answer");
	request_end(r, next);
}

static enum next step_route(struct request *r)
{
	struct str path;
	if (r->deadline_ms <= loop_now_ms(r->service->loop)) return request_fail(r, ERR_TIMEOUT, NULL);
	if (contract_normalize_path(r->arena, r->x->path, &path) != ERR_NONE)
		return request_fail(r, ERR_MALFORMED_REQUEST, "path");
	enum err e = contract_route(r->link->contract, r->arena, r->x->method, path, &r->route);
	if (e == ERR_METHOD_NOT_ALLOWED) request_add_header(r, STR("Allow"), r->route.allow);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	r->linked = &r->link->operations[r->route.operation->index];
	return NEXT_STEP;
}

static void remember_identity(struct service *s, struct str text, const struct principal *p)
{
	const struct str parts[] = { p->subject, p->organization, p->session, p->client, p->scopes };
	size_t total = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) total += parts[i].n;
	struct known_identity *known = total <= sizeof known->text ? lru_put(&s->identities, text) : NULL;
	if (!known) return;
	known->kind = p->kind;
	known->expires_s = p->expires_s;
	for (size_t i = 0, at = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].n) memcpy(known->text + at, parts[i].p, parts[i].n);
		at += parts[i].n;
		known->ends[i] = (uint16_t)at;
	}
}

/* The parts of a remembered identity; they stay in the table, which may drop them: copied into the request. */
static void recall_identity(struct request *r, const struct known_identity *known)
{
	struct principal *p = &r->principal;
	struct str *const parts[] = { &p->subject, &p->organization, &p->session, &p->client, &p->scopes };
	struct str all = arena_str(r->arena, str_span(known->text, known->ends[4]));
	for (size_t i = 0, at = 0; i < ARRAY_LEN(parts); at = known->ends[i++])
		*parts[i] = known->ends[i] > at && all.p ? str_span(all.p + at, known->ends[i] - at) : STR_NONE;
	p->kind = known->kind;
	p->expires_s = known->expires_s;
}

/* Only the gateway (or a sister service) can have sealed it; without one the request is nobody's. */
static enum next step_verify_identity(struct request *r)
{
	struct service *s = r->service;
	struct str text = http_get(r->x->fields, STR("x-yangguang-identity"));
	int64_t now_s = clock_wall_s();
	if (!text.p) return request_fail(r, ERR_UNAUTHENTICATED, "this service is reached through the gateway");
	struct known_identity *known = text.n <= IDENTITY_BYTES_MAX ? lru_get(&s->identities, text) : NULL;
	if (known && known->expires_s > now_s) {
		recall_identity(r, known);
		return NEXT_STEP;
	}
	enum err e = identity_open(r->arena, s->identity_keys, s->identity_key_count, text, now_s, &r->principal);
	if (e != ERR_NONE) return request_fail(r, e, "the sealed identity was refused");
	remember_identity(s, text, &r->principal);
	return NEXT_STEP;
}

/* The same contract that the gateway went by: one rule, two enforcement points. */
static enum next step_authorize(struct request *r)
{
	const struct operation *op = r->linked->operation;
	if (op->access == ACCESS_PUBLIC) return NEXT_STEP;
	if (op->access == ACCESS_INTERNAL)
		return r->principal.kind == PRINCIPAL_SYSTEM ? NEXT_STEP : request_fail(r, ERR_NOT_FOUND, NULL);
	if (r->principal.kind == PRINCIPAL_ANONYMOUS) return request_fail(r, ERR_UNAUTHENTICATED, NULL);
	for (unsigned i = 0; i < op->scope_count; i++)
		if (scope_has(r->principal.scopes, op->scopes[i])) return NEXT_STEP;
	return op->scope_count == 0 ? NEXT_STEP : request_fail(r, ERR_INSUFFICIENT_SCOPE, NULL);
}

static struct str lookup_header(const void *request, struct str name)
{
	return http_get(((const struct request *)request)->x->fields, name);
}

static enum next read_body(struct request *r)
{
	const struct operation *op = r->linked->operation;
	struct str body = r->x->body, type = http_get(r->x->fields, STR("content-type"));
	struct str encoding = body.n ? http_get(r->x->fields, STR("content-encoding")) : STR_NONE;
	if (encoding.p && !str_eq_ci(str_trim(encoding), STR("identity"))) {
		request_add_header(r, STR("Accept-Encoding"), STR("identity")); /* RFC 9110 15.5.16 */
		return request_fail(r, ERR_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding");
	}
	if (!op->body_type.p)
		return body.n == 0 ? NEXT_STEP
				   : request_fail(r, ERR_UNSUPPORTED_MEDIA_TYPE, "this operation takes no body");
	if (str_eq(op->body_type, STR("*"))) return NEXT_STEP;
	bool form = str_eq(op->body_type, STR("application/x-www-form-urlencoded"));
	if (body.n == 0 && !op->body_required) return NEXT_STEP;
	if (body.n == 0 && !form)
		return request_fail(r, ERR_MALFORMED_JSON, "a body is required"); /* nothing is not JSON */
	/* wx.request sends application/json unless told otherwise; a merge patch is JSON too, and nothing else is taken here. */
	bool plain_patch =
	    str_eq(op->body_type, STR("application/merge-patch+json")) && http_is_type(type, STR("application/json"));
	if (!plain_patch && body.n && !http_is_type(type, op->body_type)) {
		request_add_header(r, STR("Accept"), op->body_type);
		return request_fail(r, ERR_UNSUPPORTED_MEDIA_TYPE, NULL);
	}
	if (!http_is_utf8(type)) return request_fail(r, ERR_UNSUPPORTED_MEDIA_TYPE, "charset");
	if (form) {
		if (contract_read_form(r->arena, body, &r->body) != ERR_NONE)
			return request_fail(r, ERR_SYNTAX, "form body");
	} else {
		struct json_error error = { .code = "" };
		enum err e = json_read(r->arena, body, JSON_DEPTH_MAX, &r->body, &error);
		if (e != ERR_NONE) return request_fail(r, e, "%s at byte %zu", error.code, error.offset);
	}
	schema_validate(op->body, r->body, STR(""), &r->violations);
	return NEXT_STEP;
}

static enum next step_validate(struct request *r)
{
	const struct operation *op = r->linked->operation;
	enum err e = idempotency_check_key(r); /* before the parameters, so that a bad key has its own name */
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	e = contract_bind_parameters(
	    op, r->arena, &r->route, r->x->query, lookup_header, r, &r->parameters, &r->violations);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	if (op->if_match_required && !http_get(r->x->fields, STR("if-match")).p)
		return request_fail(r, ERR_PRECONDITION_REQUIRED, NULL);
	enum next next = read_body(r);
	if (next != NEXT_STEP) return next;
	if (r->violations.count) {
		bool unknown_only = true;
		for (const struct violation *v = r->violations.first; v; v = v->next)
			unknown_only &= str_eq(v->code, STR("unknown")) && !v->pointer.p;
		r->problem.violations = r->violations.first;
		return request_fail(r, unknown_only ? ERR_UNKNOWN_PARAMETER : ERR_VALIDATION_FAILED, NULL);
	}
	if (op->list && (e = page_read_cursor(r)) != ERR_NONE) return request_fail(r, e, NULL);
	return r->arena->overflow ? request_fail(r, ERR_MEMORY, NULL) : NEXT_STEP;
}

static enum next step_recall(struct request *r)
{
	enum err e = idempotency_claim_ids(r);
	return e == ERR_NONE ? NEXT_STEP : request_fail(r, e, NULL);
}

static enum next step_execute(struct request *r)
{
	const struct flow *flow = r->linked->flow;
	r->steps = flow ? flow->steps : plain_steps;
	r->step_count = flow ? flow->step_count : plain_step_count;
	r->step = 0;
	if (flow && flow->state_bytes && !(r->state = arena_alloc(r->arena, flow->state_bytes)))
		return request_fail(r, ERR_MEMORY, NULL);
	return NEXT_STEP;
}

enum next request_go_plain(struct request *r)
{
	CHECK(r->linked && r->linked->plain.statement);
	r->steps = plain_steps;
	r->step_count = plain_step_count;
	r->step = 0;
	return NEXT_STEP;
}
