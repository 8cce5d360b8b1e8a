/* What a flow's steps may call besides SQL: reading the request, outside parties, the thread pool, answering. */
#include "common/service/runtime.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/id.h"

enum { OUTBOUND_CONNECTIONS = 64 }; /* more than jobs may hold, so that donors never stand behind them */

struct service *request_service(const struct request *r)
{
	return r->service;
}

void *request_context(const struct request *r)
{
	return r->service->context;
}

void *request_state(const struct request *r)
{
	return r->state;
}

struct arena *request_arena(struct request *r)
{
	return r->arena;
}

const struct principal *request_principal(const struct request *r)
{
	return &r->principal;
}

const struct operation *request_operation(const struct request *r)
{
	return r->linked ? r->linked->operation : NULL;
}

const struct json *request_body(const struct request *r)
{
	return r->body;
}

struct str request_raw_body(const struct request *r)
{
	return r->x ? r->x->body : STR_NONE;
}

struct str request_header(const struct request *r, struct str name)
{
	return r->x ? http_get(r->x->fields, name) : STR_NONE;
}

enum language request_language(const struct request *r)
{
	return r->language;
}

int64_t request_deadline_ms(const struct request *r)
{
	return r->deadline_ms;
}

void request_limit_time(struct request *r, int64_t ms)
{
	int64_t limit = loop_now_ms(r->service->loop) + ms;
	if (limit < r->deadline_ms) r->deadline_ms = limit;
}

void *service_context(const struct service *s)
{
	return s->context;
}

struct loop *service_loop(const struct service *s)
{
	return s->loop;
}

const struct vault *service_vault(const struct service *s)
{
	return s->vault;
}

struct outbound *service_outbound(struct service *s)
{
	if (!s->outbound) {
		struct outbound_config config = { .ca_file = str_of(getenv("YG_OUTBOUND_CA")),
			.connections_max = OUTBOUND_CONNECTIONS };
		s->outbound = outbound_new(s->loop, &config);
	}
	return s->outbound;
}

/* ── outside parties and sister services ── */

static void keep_reply(struct request *r, enum err status, int http_status, struct http_fields fields, struct str body)
{
	struct http_field *items = arena_array(r->arena, fields.count ? fields.count : 1, sizeof *items);
	r->reply = (struct reply){ .err = status, .status = http_status, .body = arena_str(r->arena, body) };
	for (unsigned i = 0; items && i < fields.count; i++)
		items[i] = (struct http_field){ arena_str(r->arena, fields.items[i].name),
			arena_str(r->arena, fields.items[i].value) };
	r->reply.fields = (struct http_fields){ items, items ? fields.count : 0 };
	if (r->arena->overflow) r->reply.err = ERR_PAYLOAD_TOO_LARGE;
	r->outcome = r->reply.err;
}

static void fetch_done(void *arg, enum err status, int http_status, struct http_fields fields, struct str body)
{
	struct request *r = arg;
	keep_reply(r, status, http_status, fields, body);
	request_resume(r);
}

enum next request_fetch(struct request *r, const struct fetch *f)
{
	int64_t left = r->deadline_ms - loop_now_ms(r->service->loop);
	struct outbound_request out = { .method = f->method,
		.url = f->url,
		.fields = f->fields,
		.field_count = f->field_count,
		.body = f->body,
		.timeout_ms = f->timeout_ms < left ? f->timeout_ms : left };
	if (r->broken) return request_fail(r, ERR_INTERNAL, NULL);
	if (left <= 0) return request_fail(r, ERR_TIMEOUT, NULL);
	enum err e = outbound_send(service_outbound(r->service), &out, fetch_done, r);
	return e == ERR_NONE ? NEXT_WAIT : request_fail(r, e, NULL);
}

const struct reply *request_reply(const struct request *r)
{
	return &r->reply;
}

static void call_done(void *arg, enum err status, const struct http_reply *reply)
{
	struct request *r = arg;
	struct http_fields none = { NULL, 0 };
	keep_reply(r, status, reply ? reply->status : 0, reply ? reply->fields : none, reply ? reply->body : STR_NONE);
	request_resume(r);
}

static struct upstream *upstream_of(struct service *s, struct str name)
{
	for (unsigned i = 0; i < s->upstream_count; i++) {
		struct upstream_entry *u = &s->upstreams[i];
		if (!str_eq(u->name, name)) continue;
		struct upstream_config config = {
			.name = u->name, .addresses = u->addresses, .address_count = u->address_count, .any_order = true
		};
		if (!u->upstream) u->upstream = upstream_new(s->loop, &config);
		return u->upstream;
	}
	return NULL;
}

enum next request_call(
    struct request *r, const char *service, const char *method, struct str path, struct str body, bool safe)
{
	struct service *s = r->service;
	struct upstream *u = upstream_of(s, str_of(service));
	if (!u) return request_fail(r, ERR_CONFIG, "no upstream %s", service);
	if (r->broken) return request_fail(r, ERR_INTERNAL, NULL);
	struct principal self = {
		.kind = PRINCIPAL_SYSTEM, .client = str_of(s->def->name), .expires_s = clock_wall_s() + IDENTITY_TTL_S
	};
	struct str identity = identity_seal(r->arena, s->identity_keys[0], &self, clock_wall_s());
	char traceparent[TRACEPARENT_BYTES];
	trace_format(&r->trace, traceparent);
	int64_t left = r->deadline_ms - loop_now_ms(s->loop);
	struct str head = arena_printf(r->arena,
	    "%s %.*s HTTP/1.1\r\nHost: %s\r\nX-Yangguang-Identity: %.*s\r\nX-Request-Id: %.*s\r\ntraceparent: %.*s\r\n"
	    "X-Yangguang-Deadline-Ms: %lld\r\n%sContent-Length: %zu\r\n\r\n",
	    method, STR_FMT(path), service, STR_FMT(identity), STR_FMT(r->request_id), TRACEPARENT_BYTES, traceparent,
	    (long long)(left > 1 ? left : 1), body.p ? "Content-Type: application/json\r\n" : "", body.n);
	struct upstream_call *call;
	if (!head.p) return request_fail(r, ERR_MEMORY, NULL);
	enum err e = upstream_send(u, head, body, false, safe, r->deadline_ms, call_done, r, &call);
	return e == ERR_NONE ? NEXT_WAIT : request_fail(r, e, NULL);
}

/* ── pauses ── */

struct work_item {
	void (*fn)(void *arg);
	void *arg;
	struct request *request;
};

static void work_run(void *arg) /* in a thread of the pool */
{
	struct work_item *w = arg;
	w->fn(w->arg);
}

static void work_done(void *arg, enum err status)
{
	struct work_item *w = arg;
	w->request->outcome = status;
	request_resume(w->request);
}

enum next request_work(struct request *r, void (*fn)(void *arg), void *arg)
{
	struct work_item *w = ARENA_NEW(r->arena, struct work_item);
	if (!w) return request_fail(r, ERR_MEMORY, NULL);
	*w = (struct work_item){ fn, arg, r };
	enum err e = work_submit(r->service->loop, work_run, work_done, w);
	if (e == ERR_NONE) return NEXT_WAIT;
	r->problem.retry_after_s = 1;
	return request_fail(r, e, NULL);
}

struct pause {
	struct timer *timer;
	struct request *request;
};

static void pause_over(void *arg)
{
	struct pause *p = arg;
	timer_free(p->timer);
	request_resume(p->request);
}

enum next request_sleep(struct request *r, int64_t ms)
{
	struct pause *p = ARENA_NEW(r->arena, struct pause);
	if (!p) return request_fail(r, ERR_MEMORY, NULL);
	*p = (struct pause){ .timer = timer_new(r->service->loop, pause_over, p), .request = r };
	timer_start(p->timer, ms, 0);
	return NEXT_WAIT;
}

/* ── answers ── */

enum { ANSWER_BYTES_MAX = 8 * 1024 * 1024 };

struct json_writer *request_writer(struct request *r)
{
	if (!r->writer_open) {
		buf_init(&r->out, ANSWER_BYTES_MAX);
		json_write_init(&r->writer, &r->out);
		r->writer_open = true;
	}
	return &r->writer;
}

enum next request_answer_raw(struct request *r, int status, struct str content_type, struct str body)
{
	if (r->broken || r->arena->overflow) return request_fail(r, r->broken ? ERR_INTERNAL : ERR_MEMORY, NULL);
	if (!r->x) return NEXT_DONE;
	const struct operation *op = r->linked->operation;
	if (op->cache_control.p) request_add_header(r, STR("Cache-Control"), op->cache_control);
	if (r->replayed) request_add_header(r, STR("Idempotency-Replayed"), STR("true"));
	answer_send(r, status ? status : op->success_status, content_type, body);
	return NEXT_DONE;
}

enum next request_answer(struct request *r, int status)
{
	if (!r->writer_open) return request_answer_raw(r, status, STR_NONE, STR_NONE);
	if (!buf_ok(&r->out)) return request_fail(r, ERR_INTERNAL, "the answer is too large");
	struct str type = r->linked && r->linked->operation->success_type.p ? r->linked->operation->success_type
									    : STR("application/json");
	return request_answer_raw(r, status, type, buf_view(&r->out));
}

void request_mark_replayed(struct request *r)
{
	r->replayed = true;
}

struct str request_idempotency_fingerprint(const struct request *r)
{
	return r->idempotency_fingerprint;
}

enum err request_seal(struct request *r, const char *bind, struct str context, struct str plain)
{
	struct str sealed;
	char *hex;
	if (!r->pii_key_made) {
		struct str wrapped;
		char id[36];
		TRY(vault_new_key(r->service->vault, r->arena, r->pii_key, &wrapped));
		if (!(hex = arena_alloc(r->arena, 2 * wrapped.n + 2))) return ERR_MEMORY;
		memcpy(hex, "\\x", 2);
		id_hex(wrapped.p, wrapped.n, hex + 2);
		id_uuid7(id);
		request_set(r, "pii.wrapped_key", str_span(hex, 2 * wrapped.n + 2));
		request_set(r, "pii.key_id", str_span(id, sizeof id));
		r->pii_key_made = true;
	}
	TRY(field_seal(r->arena, r->pii_key, context, plain, &sealed));
	if (!(hex = arena_alloc(r->arena, 2 * sealed.n + 2))) return ERR_MEMORY;
	memcpy(hex, "\\x", 2);
	id_hex(sealed.p, sealed.n, hex + 2);
	request_set(r, bind, str_span(hex, 2 * sealed.n + 2));
	return ERR_NONE;
}
