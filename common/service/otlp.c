/* Export of spans by OTLP/HTTP in JSON: the ring, the sender, the text. */
#include "common/service/otlp.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/config.h"
#include "common/core/id.h"
#include "common/core/log.h"
#include "common/http/outbound.h"
#include "common/json/json.h"
#include "common/json/json_write.h"

enum {
	FLUSH_MS = 1000,
	SEND_MS_MAX = 5000,
	PAUSE_MS_MAX = 30000, /* after failures: 1, 2, 4 … s */
	BODY_BYTES_MAX = 1024 * 1024, /* 512 spans of the longest kind take three quarters of it */
	REPLY_BYTES_MAX = 64 * 1024,
	SPAN_KIND_SERVER = 2,
	STATUS_ERROR = 2,
	FLAG_REMOTE_KNOWN = 0x100,
	FLAG_REMOTE = 0x200,
	RANDOM_DIGITS = 14
};
#define RANDOM_END (UINT64_C(1) << 56)

enum outcome { OUTCOME_EXPORTED, OUTCOME_DROPPED, OUTCOME_FAILED, OUTCOME_REFUSED, OUTCOMES };

struct otlp {
	struct loop *loop;
	struct str url;
	struct otlp_resource resource;
	uint64_t threshold;
	struct outbound *outbound;
	struct timer *timer;
	struct loop_task full; /* a batch waits: sent when this turn's answers are out */
	struct buf body;
	unsigned sending; /* spans on their way; they have left the ring */
	int64_t pause_ms; /* 0: the last batch was taken */
	int64_t not_before_ms;
	bool stopped;
	void (*finished)(void *arg); /* set: finishing */
	void *finished_arg;
	int64_t finish_by_ms;
	uint64_t *spans[OUTCOMES];
	unsigned first, count;
	struct otlp_record ring[OTLP_SPANS_MAX];
};

/* ── the text ── */

static void put_key(struct json_writer *w, const char *key)
{
	json_begin_object(w);
	json_put_member_str(w, "key", str_of(key));
	json_put_key(w, STR("value"));
	json_begin_object(w);
}

static void put_text(struct json_writer *w, const char *key, struct str value)
{
	put_key(w, key);
	json_put_member_str(w, "stringValue", value);
	json_end_object(w);
	json_end_object(w);
}

/* 64-bit numbers are strings in the JSON of Protocol Buffers. */
static void put_digits(struct json_writer *w, const char *key, int64_t value)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%lld", (long long)value);
	json_put_member_str(w, key, str_span(digits, (size_t)n));
}

static void put_number(struct json_writer *w, const char *key, int64_t value)
{
	put_key(w, key);
	put_digits(w, "intValue", value);
	json_end_object(w);
	json_end_object(w);
}

static void put_attributes(struct json_writer *w, const struct otlp_resource *resource, const struct otlp_record *r)
{
	struct str method = str_span(r->method, r->method_bytes);
	json_put_key(w, STR("attributes"));
	json_begin_array(w);
	put_text(w, "http.request.method", method.n ? method : STR("_OTHER"));
	if (r->route_bytes) put_text(w, "http.route", str_span(r->route, r->route_bytes));
	if (r->status) put_number(w, "http.response.status_code", r->status);
	if (r->status >= 500) {
		char code[3] = { (char)('0' + r->status / 100 % 10), (char)('0' + r->status / 10 % 10),
			(char)('0' + r->status % 10) };
		put_text(w, "error.type", str_span(code, sizeof code));
	}
	if (!r->status) put_text(w, "error.type", STR("client_gone"));
	put_text(w, "url.scheme", r->secure ? STR("https") : STR("http"));
	put_text(w, "server.address", resource->address);
	if (resource->port) put_number(w, "server.port", resource->port);
	put_text(w, "yangguang.operation", str_span(r->operation, r->operation_bytes));
	put_text(w, "yangguang.request_id", str_span(r->request_id, sizeof r->request_id));
	json_end_array(w);
}

/* "{method} {route}", as the conventions want it. */
static void put_name(struct json_writer *w, const struct otlp_record *r)
{
	char name[OTLP_METHOD_BYTES_MAX + 1 + OTLP_ROUTE_BYTES_MAX];
	size_t n = r->method_bytes;
	memcpy(name, r->method, n);
	if (!n) n = sizeof "HTTP" - 1, memcpy(name, "HTTP", n);
	if (r->route_bytes) {
		name[n++] = ' ';
		memcpy(name + n, r->route, r->route_bytes);
		n += r->route_bytes;
	}
	json_put_member_str(w, "name", str_span(name, n));
}

static void put_span(struct json_writer *w, const struct otlp_resource *resource, const struct otlp_record *r)
{
	json_begin_object(w);
	json_put_member_str(w, "traceId", str_span(r->trace_id, sizeof r->trace_id));
	json_put_member_str(w, "spanId", str_span(r->span_id, sizeof r->span_id));
	if (r->continued) json_put_member_str(w, "parentSpanId", str_span(r->parent_id, sizeof r->parent_id));
	json_put_member_i64(w, "flags", r->flags | FLAG_REMOTE_KNOWN | (r->continued ? FLAG_REMOTE : 0));
	put_name(w, r);
	json_put_member_i64(w, "kind", SPAN_KIND_SERVER);
	put_digits(w, "startTimeUnixNano", r->start_ns);
	put_digits(w, "endTimeUnixNano", r->end_ns);
	put_attributes(w, resource, r);
	json_put_key(w, STR("status"));
	json_begin_object(w);
	if (r->status >= 500) json_put_member_i64(w, "code", STATUS_ERROR);
	json_end_object(w);
	json_end_object(w);
}

static void put_resource(struct json_writer *w, const struct otlp_resource *resource)
{
	json_put_key(w, STR("resource"));
	json_begin_object(w);
	json_put_key(w, STR("attributes"));
	json_begin_array(w);
	put_text(w, "service.namespace", STR("yangguang"));
	put_text(w, "service.name", resource->service);
	put_text(w, "service.instance.id", str_span(resource->instance, sizeof resource->instance));
	json_end_array(w);
	json_end_object(w);
}

void otlp_write(
    struct buf *out, const struct otlp_resource *resource, const struct otlp_record *records, unsigned count)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_begin_object(&w);
	json_put_key(&w, STR("resourceSpans"));
	json_begin_array(&w);
	json_begin_object(&w);
	put_resource(&w, resource);
	json_put_key(&w, STR("scopeSpans"));
	json_begin_array(&w);
	json_begin_object(&w);
	json_put_key(&w, STR("scope"));
	json_begin_object(&w);
	json_put_member_str(&w, "name", STR("yangguang"));
	json_end_object(&w);
	json_put_key(&w, STR("spans"));
	json_begin_array(&w);
	for (unsigned i = 0; i < count; i++) put_span(&w, resource, &records[i]);
	json_end_array(&w);
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
}

/* ── sending ── */

/* partialSuccess.rejectedSpans of an answer: a number, or the digits of one. */
static unsigned refused_of(struct str body, unsigned sent)
{
	struct arena a;
	const struct json *answer;
	int64_t n = 0;
	arena_init(&a, 4096, 4 * REPLY_BYTES_MAX);
	if (body.n && json_read(&a, body, JSON_DEPTH_MAX, &answer, NULL) == ERR_NONE) {
		const struct json *partial = json_get(answer, STR("partialSuccess"));
		const struct json *value = partial ? json_get(partial, STR("rejectedSpans")) : NULL;
		struct str digits = value ? json_string(value) : STR_NONE;
		if (value && !digits.p) digits = json_number(value);
		if (!str_to_i64(digits, &n)) n = 0;
	}
	arena_release(&a);
	return n < 0 ? 0 : n > sent ? sent : (unsigned)n;
}

static void count_failure(struct otlp *o)
{
	*o->spans[OUTCOME_FAILED] += o->sending;
	o->pause_ms = o->pause_ms ? o->pause_ms * 2 : FLUSH_MS;
	if (o->pause_ms > PAUSE_MS_MAX) o->pause_ms = PAUSE_MS_MAX;
	o->not_before_ms = loop_now_ms(o->loop) + o->pause_ms;
}

static void send_batch(struct otlp *o);

static void conclude(struct otlp *o)
{
	void (*finished)(void *arg) = o->finished;
	o->finished = NULL;
	o->stopped = true;
	timer_stop(o->timer);
	*o->spans[OUTCOME_DROPPED] += o->count;
	o->count = 0;
	finished(o->finished_arg);
}

static void sent(void *arg, enum err status, int http_status, struct http_fields fields, struct str body)
{
	struct otlp *o = arg;
	(void)fields;
	if (status == ERR_NONE && http_status / 100 == 2) {
		unsigned refused = refused_of(body, o->sending);
		*o->spans[OUTCOME_REFUSED] += refused;
		*o->spans[OUTCOME_EXPORTED] += o->sending - refused;
		o->pause_ms = 0;
	} else {
		count_failure(o);
		if (status == ERR_NONE) log_line(LOG_WARN, "collector refused spans", "status %d", http_status);
	}
	o->sending = 0;
	if (o->stopped) return;
	if (o->finished && (!o->count || o->pause_ms))
		conclude(o);
	else if (o->finished || o->count >= OTLP_BATCH_MAX)
		send_batch(o);
}

static void send_batch(struct otlp *o)
{
	static const struct http_field type = { { "Content-Type", 12 }, { "application/json", 16 } };
	int64_t now_ms = loop_now_ms(o->loop);
	if (o->stopped || o->sending || !o->count || now_ms < o->not_before_ms) return;
	unsigned n = o->count < OTLP_BATCH_MAX ? o->count : OTLP_BATCH_MAX;
	if (n > OTLP_SPANS_MAX - o->first) n = OTLP_SPANS_MAX - o->first;
	buf_reset(&o->body);
	otlp_write(&o->body, &o->resource, &o->ring[o->first], n);
	o->first = (o->first + n) % OTLP_SPANS_MAX;
	o->count -= n;
	o->sending = n;
	int64_t left_ms = o->finished ? o->finish_by_ms - now_ms : SEND_MS_MAX;
	struct outbound_request request = { .method = "POST",
		.url = o->url,
		.fields = &type,
		.field_count = 1,
		.body = buf_view(&o->body),
		.timeout_ms = left_ms > 0 ? left_ms : 1 };
	if (buf_ok(&o->body) && outbound_send(o->outbound, &request, sent, o) == ERR_NONE) return;
	count_failure(o);
	o->sending = 0;
}

static void on_timer(void *arg)
{
	struct otlp *o = arg;
	if (o->finished && loop_now_ms(o->loop) >= o->finish_by_ms)
		conclude(o);
	else
		send_batch(o);
}

static void on_full(struct loop_task *task)
{
	send_batch(CONTAINER_OF(task, struct otlp, full));
}

/* ── what comes in ── */

static unsigned char copy(char *to, size_t room, struct str from)
{
	size_t n = from.n < room ? from.n : room;
	if (n) memcpy(to, from.p, n);
	return (unsigned char)n;
}

void otlp_add(struct otlp *o, const struct trace *t, const struct otlp_request *r)
{
	if (o->stopped || o->count == OTLP_SPANS_MAX) {
		++*o->spans[OUTCOME_DROPPED];
		return;
	}
	struct otlp_record *s = &o->ring[(o->first + o->count++) % OTLP_SPANS_MAX];
	s->end_ns = clock_wall_us() * 1000;
	s->start_ns = s->end_ns - r->duration_ns;
	s->status = r->status;
	s->flags = t->flags;
	s->continued = t->continued;
	s->secure = r->secure;
	memcpy(s->trace_id, t->trace_id, TRACE_ID_BYTES);
	memcpy(s->span_id, t->span_id, SPAN_ID_BYTES);
	memcpy(s->parent_id, t->parent_id, SPAN_ID_BYTES);
	memset(s->request_id, '0', sizeof s->request_id);
	copy(s->request_id, sizeof s->request_id, r->request_id);
	bool known = str_list_has(STR("GET HEAD POST PUT PATCH DELETE OPTIONS"), ' ', r->method);
	s->method_bytes = copy(s->method, sizeof s->method, known ? r->method : STR_NONE);
	s->operation_bytes = copy(s->operation, sizeof s->operation, r->operation);
	s->route_bytes = copy(s->route, sizeof s->route, r->route);
	if (o->count >= OTLP_BATCH_MAX && !o->sending) loop_push(o->loop, PHASE_LAST, &o->full);
}

void otlp_sample(const struct otlp *o, struct trace *t)
{
	if (!o || t->continued) return;
	unsigned char random[RANDOM_DIGITS / 2];
	uint64_t value = 0;
	if (!id_unhex(str_span(t->trace_id + TRACE_ID_BYTES - RANDOM_DIGITS, RANDOM_DIGITS), random, sizeof random))
		return;
	for (size_t i = 0; i < sizeof random; i++) value = value << 8 | random[i];
	if (value >= o->threshold) t->flags |= 1;
}

/* ── open and end ── */

bool otlp_read_share(struct str text, uint64_t *threshold)
{
	uint64_t whole = 0, part = 0, unit = 1;
	struct str before = STR_NONE;
	if (!str_cut(&text, '.', &before) || !str_to_u64(before, &whole) || whole > 1) return false;
	if (text.n > 9 || (text.n && !str_to_u64(text, &part))) return false;
	for (size_t i = 0; i < text.n; i++) unit *= 10;
	if (whole && part) return false;
	*threshold = RANDOM_END - (whole ? RANDOM_END : (uint64_t)((double)part / (double)unit * (double)RANDOM_END));
	return true;
}

/* Host and port of an address, a URL, or the path of a Unix socket. */
static void read_address(struct otlp_resource *r, struct str address)
{
	const char *at = address.n ? memmem(address.p, address.n, "://", 3) : NULL;
	if (str_starts(address, STR("unix:"))) {
		r->address = str_from(address, 5);
		return;
	}
	if (at) {
		r->port = str_starts(address, STR("https:")) ? 443 : 80;
		address = str_from(address, (size_t)(at - address.p) + 3);
		ptrdiff_t slash = str_index(address, '/');
		if (slash >= 0) address.n = (size_t)slash;
	}
	size_t colon = address.n;
	int64_t port;
	while (colon > 0 && address.p[colon - 1] != ':' && address.p[colon - 1] != ']') colon--;
	if (colon > 0 && address.p[colon - 1] == ':' && str_to_i64(str_from(address, colon), &port)) {
		r->port = port;
		address.n = colon - 1;
	}
	r->address = address;
}

static double read_waiting(void *arg)
{
	const struct otlp *o = arg;
	return o->count + o->sending;
}

static void open_metrics(struct otlp *o, struct metrics *m)
{
	static const char *const names[OUTCOMES] = { "exported", "dropped", "failed", "refused" };
	for (unsigned i = 0; i < OUTCOMES; i++) {
		struct metric_label label = { "outcome", str_of(names[i]) };
		o->spans[i] =
		    metrics_counter(m, "yg_otlp_spans_total", "Spans of sampled requests, by their end.", &label, 1);
	}
	metrics_gauge_fn(
	    m, "yg_otlp_spans_waiting", "Spans that the collector has not taken yet.", NULL, 0, read_waiting, o);
}

enum err otlp_open(struct arena *boot, const struct otlp_config *config, struct otlp **out)
{
	struct str url = config_str(boot, "YG_OTLP_URL", NULL), share = config_str(boot, "YG_OTLP_SAMPLE", "0");
	uint64_t threshold;
	*out = NULL;
	if (!url.n) return ERR_NONE;
	if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://"))) {
		log_line(LOG_ERROR, "YG_OTLP_URL is not valid", "want http://host:port/v1/traces or https://…");
		return ERR_CONFIG;
	}
	if (!otlp_read_share(share, &threshold)) {
		log_line(LOG_ERROR, "YG_OTLP_SAMPLE is not valid", "want a share from 0 to 1, for example 0.01");
		return ERR_CONFIG;
	}
	struct otlp *o = calloc(1, sizeof *o); /* pages of the ring that are never written cost nothing */
	CHECK(o != NULL);
	o->loop = config->loop;
	o->url = url;
	o->threshold = threshold;
	o->resource.service = config->service;
	id_uuid7(o->resource.instance);
	read_address(&o->resource, config->address);
	struct outbound_config way = { .ca_file = config_str(boot, "YG_OUTBOUND_CA", NULL),
		.connections_max = 1,
		.reply_bytes_max = REPLY_BYTES_MAX,
		.allow_http = true };
	o->outbound = outbound_new(o->loop, &way);
	o->full.run = on_full;
	buf_init(&o->body, BODY_BYTES_MAX);
	open_metrics(o, config->metrics);
	o->timer = timer_new(o->loop, on_timer, o);
	timer_start(o->timer, FLUSH_MS, FLUSH_MS);
	*out = o;
	return ERR_NONE;
}

void otlp_finish(struct otlp *o, void (*done)(void *arg), void *arg)
{
	if (!o || o->stopped) {
		done(arg);
		return;
	}
	if (o->finished) return;
	o->finished = done;
	o->finished_arg = arg;
	o->finish_by_ms = loop_now_ms(o->loop) + OTLP_FINISH_MS;
	if (!o->sending) o->not_before_ms = 0; /* a last try, whatever was before */
	send_batch(o);
	if (!o->sending)
		conclude(o);
	else
		timer_start(o->timer, OTLP_FINISH_MS, 0);
}

void otlp_stop(struct otlp *o)
{
	if (!o) return;
	o->stopped = true;
	timer_free(o->timer);
	outbound_free(o->outbound);
}

void otlp_free(struct otlp *o)
{
	if (!o) return;
	buf_free(&o->body);
	free(o);
}
