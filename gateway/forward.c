/*
 * forward: one head in one buffer, one send. HEAD goes as GET, so that the client gets the true Content-Length. The answer comes
 * back in the same turn it is passed on in; cached.c says whether it is kept.
 */
#include "gateway/request.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/http/coding.h"
#include "gateway/fields.h"

enum { RETRY_SPREAD_S = 3 };

/* Credentials end at the gateway; only client_secret_basic of public operations (/oauth/token) is the service's to read. */
static bool passes_basic(const struct request *r)
{
	return r->operation->access == ACCESS_PUBLIC && r->credential.kind == CREDENTIAL_OTHER &&
	       r->credential.secret.n > 6 && str_eq_ci(str_span(r->credential.secret.p, 6), STR("basic "));
}

static void put_field(struct buf *out, struct str name, struct str value)
{
	buf_str(out, name);
	BUF_LIT(out, ": ");
	buf_str(out, value);
	BUF_LIT(out, "\r\n");
}

/* A body that was decoded here has no coding left, and its digest was that of the coded bytes. */
static bool told_of_coding(const struct request *r, struct str name)
{
	return r->decoded && (str_eq_ci(name, STR("content-encoding")) || str_eq_ci(name, STR("content-digest")));
}

/* Entity tags of coded answers are ours: the service knows its own only. */
static struct str client_value(struct request *r, const struct http_field *f)
{
	bool tags = (f->name.n == 8 && str_eq_ci(f->name, STR("if-match"))) ||
		    (f->name.n == 13 && str_eq_ci(f->name, STR("if-none-match")));
	return tags ? coding_etags_plain(&r->x->arena, f->value) : f->value;
}

static void put_client_fields(struct buf *out, struct request *r)
{
	struct http_fields fields = r->x->fields;
	for (unsigned i = 0; i < fields.count; i++)
		if (fields_pass_request(fields.items[i].name, STR_NONE) && !told_of_coding(r, fields.items[i].name))
			put_field(out, fields.items[i].name, client_value(r, &fields.items[i]));
	if (passes_basic(r)) put_field(out, STR("Authorization"), r->credential.secret);
}

static void put_own_fields(struct buf *out, struct request *r, int64_t left_ms)
{
	char parent[TRACEPARENT_BYTES];
	trace_format(&r->trace, parent);
	put_field(out, STR("X-Yangguang-Identity"), r->caller.identity);
	put_field(out, STR("X-Request-Id"), str_span(r->id, sizeof r->id));
	put_field(out, STR("traceparent"), str_span(parent, sizeof parent));
	if (r->trace.state.n) put_field(out, STR("tracestate"), r->trace.state);
	put_field(out, STR("X-Forwarded-For"), r->client);
	put_field(out, STR("X-Forwarded-Proto"), r->x->secure ? STR("https") : r->gateway->forwarded_proto);
	if (r->x->certificate) put_field(out, STR("X-Yangguang-Certificate"), transport_certificate(r));
	if (r->x->host.n) put_field(out, STR("X-Forwarded-Host"), r->x->host);
	BUF_LIT(out, "X-Yangguang-Deadline-Ms: ");
	buf_i64(out, left_ms);
	BUF_LIT(out, "\r\n");
}

static bool has_body(struct str method, struct str body)
{
	return body.n || str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) || str_eq(method, STR("PATCH"));
}

static void build_head(struct buf *out, struct request *r, struct str method, int64_t left_ms)
{
	struct http_exchange *x = r->x;
	buf_str(out, method);
	buf_char(out, ' ');
	buf_str(out, r->path);
	if (x->query.p) {
		buf_char(out, '?');
		buf_str(out, x->query);
	}
	BUF_LIT(out, " HTTP/1.1\r\nHost: ");
	buf_str(out, r->operation->service);
	BUF_LIT(out, "\r\n");
	put_own_fields(out, r, left_ms);
	put_client_fields(out, r);
	if (has_body(method, x->body)) {
		BUF_LIT(out, "Content-Length: ");
		buf_i64(out, (int64_t)x->body.n);
		BUF_LIT(out, "\r\n");
	}
	BUF_LIT(out, "\r\n");
}

/* Asked as nobody, in one of two languages: whoever gets the answer later might have asked just so. */
void forward_write_cached(struct buf *out, struct request *r, const struct entry *e, int64_t left_ms)
{
	struct caller nobody = r->caller;
	char parent[TRACEPARENT_BYTES];
	if (r->caller.principal.kind != PRINCIPAL_ANONYMOUS &&
	    credentials_anonymous(r->gateway->credentials, &r->x->arena, clock_wall_s(), &nobody) != ERR_NONE) {
		out->overflow = true;
		return;
	}
	BUF_LIT(out, "GET ");
	buf_str(out, r->path);
	if (r->x->query.p) {
		buf_char(out, '?');
		buf_str(out, r->x->query);
	}
	BUF_LIT(out, " HTTP/1.1\r\n");
	put_field(out, STR("Host"), r->operation->service);
	put_field(out, STR("X-Yangguang-Identity"), nobody.identity);
	put_field(out, STR("X-Request-Id"), str_span(r->id, sizeof r->id));
	trace_format(&r->trace, parent);
	put_field(out, STR("traceparent"), str_span(parent, sizeof parent));
	BUF_LIT(out, "X-Yangguang-Deadline-Ms: ");
	buf_i64(out, left_ms);
	BUF_LIT(out, "\r\n");
	put_field(out, STR("Accept-Language"), cached_asked(r).items[0].value);
	if (e && e->etag.p) put_field(out, STR("If-None-Match"), e->etag);
	BUF_LIT(out, "\r\n");
}

/* What the client hears of a failure behind the gateway. */
static enum next fail_upstream(struct request *r, enum err e)
{
	switch ((int)e) {
	case ERR_TIMEOUT:
		return request_fail_behind(r, ERR_TIMEOUT, e);
	case ERR_BAD_UPSTREAM:
	case ERR_CLOSED:
		return request_fail_behind(r, ERR_BAD_UPSTREAM, e);
	case ERR_BUSY:
		r->problem.retry_after_s = 1;
		return request_fail_behind(r, ERR_BUSY, e);
	case ERR_REDUCED_CAPACITY:
		r->problem.retry_after_s = 1 + (int)(id_noise() % RETRY_SPREAD_S); /* not all of them at once */
		return request_fail_behind(r, ERR_REDUCED_CAPACITY, e);
	default:
		r->problem.retry_after_s = 1;
		return request_fail_behind(r, ERR_SAFE_RETRY_LATER, e);
	}
}

static void answered(void *arg, enum err status, const struct http_reply *reply)
{
	struct request *r = arg;
	if (r->cache.policy) cached_answered(r, status, reply);
	if (status != ERR_NONE) {
		if (!r->cache.entry) (void)fail_upstream(r, status);
	} else {
		r->reply = reply;
		if (r->operation->purge_count && cached_purge(r)) return; /* goes on when Redis knows */
	}
	steps_run(r, AT_ANSWER);
}

enum next forward_send(struct request *r)
{
	struct gateway *g = r->gateway;
	struct upstream *to = r->plan->operations[r->operation->index].upstream;
	struct upstream_call *call;
	bool get = r->x->head || str_eq(r->method, STR("GET"));
	bool safe =
	    get || (r->operation->idempotency != IDEMPOTENCY_NONE && http_get(r->x->fields, STR("idempotency-key")).p);
	int64_t left_ms = r->deadline_ms - loop_now_ms(g->loop);
	if (r->cache.entry) return NEXT_DONE;
	enum err e = ERR_NONE;
	buf_reset(&g->scratch);
	if (left_ms <= 0 || g->stopped)
		e = left_ms <= 0 ? ERR_TIMEOUT : ERR_ABORTED;
	else if (r->cache.policy)
		forward_write_cached(&g->scratch, r, r->cache.stale, left_ms);
	else
		build_head(&g->scratch, r, r->x->head ? STR("GET") : r->method, left_ms);
	if (!buf_ok(&g->scratch) || (!r->cache.policy && r->x->arena.overflow)) e = ERR_HEADERS_TOO_LARGE;
	if (r->cache.policy && !e) cached_begin(r);
	if (!e)
		e = upstream_send_as(to, r->plan->operations[r->operation->index].kind, buf_view(&g->scratch),
		    r->x->body, false, safe, r->deadline_ms, answered, r, &call);
	if (e == ERR_NONE) return NEXT_WAIT;
	if (r->cache.policy) cached_answered(r, e, NULL);
	if (r->cache.entry) return NEXT_DONE;
	/* Who was not asked did not fail. */
	return e == ERR_HEADERS_TOO_LARGE || left_ms <= 0 ? request_fail(r, e) : fail_upstream(r, e);
}
