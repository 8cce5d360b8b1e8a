/* /metrics and the health answers (application/health+json). Only GET and HEAD; anything else is 404 or 405 without a body. */
#include "common/service/private_listener.h"

#include <stdlib.h>

#include "common/core/clock.h"
#include "common/http/server.h"
#include "common/json/json_write.h"

enum { METRICS_BYTES_MAX = 8 * 1024 * 1024, OUTPUT_BYTES_MAX = 512 };

struct check {
	char name[64];
	size_t name_bytes;
	const char *type;
	health_check *run;
	void *arg;
};

struct private_listener {
	struct http_server *server;
	const char *process;
	const struct metrics *metrics;
	struct check checks[HEALTH_CHECKS_MAX];
	unsigned check_count;
	bool started;
	bool draining;
};

static struct str health_name(enum health h)
{
	static const char *const names[] = { "pass", "warn", "fail" };
	return str_of(names[h]);
}

static void answer(struct http_exchange *x, int status, struct str type, struct str body)
{
	static const struct http_field no_store = { { "Cache-Control", 13 }, { "no-store", 8 } };
	struct http_response r = {
		.status = status, .content_type = type, .fields = &no_store, .field_count = 1, .body = body
	};
	http_respond(x, &r);
}

static void answer_metrics(struct private_listener *p, struct http_exchange *x)
{
	struct buf out;
	buf_init(&out, METRICS_BYTES_MAX);
	metrics_write(p->metrics, &out);
	if (buf_ok(&out))
		answer(x, 200, STR("text/plain; version=0.0.4; charset=utf-8"), buf_view(&out));
	else
		answer(x, 503, STR_NONE, STR_NONE);
	buf_free(&out);
}

static enum health write_check(const struct check *c, struct json_writer *w)
{
	struct health_note note = { .unit = NULL };
	char time[RFC3339_BYTES];
	size_t time_bytes = clock_format_rfc3339(clock_wall_us(), time);
	buf_init(&note.output, OUTPUT_BYTES_MAX);
	enum health h = c->run(c->arg, &note);
	json_put_key(w, str_span(c->name, c->name_bytes));
	json_begin_array(w);
	json_begin_object(w);
	json_put_member_str(w, "componentType", str_of(c->type));
	if (note.unit) json_put_member_i64(w, "observedValue", note.value);
	if (note.unit) json_put_member_str(w, "observedUnit", str_of(note.unit));
	json_put_member_str(w, "status", health_name(h));
	json_put_member_str(w, "time", str_span(time, time_bytes));
	if (note.output.n) json_put_member_str(w, "output", buf_view(&note.output));
	json_end_object(w);
	json_end_array(w);
	buf_free(&note.output);
	return h;
}

/* Writes the "checks" member; the worst outcome is returned. */
static enum health write_checks(struct private_listener *p, struct json_writer *w)
{
	enum health worst = HEALTH_PASS;
	json_put_key(w, STR("checks"));
	json_begin_object(w);
	for (unsigned i = 0; i < p->check_count; i++) {
		enum health h = write_check(&p->checks[i], w);
		if (h > worst) worst = h;
	}
	json_end_object(w);
	return worst;
}

/* The worst outcome is known only after the checks, so "status" is written last. */
static void answer_ready(struct private_listener *p, struct http_exchange *x)
{
	struct buf out;
	struct json_writer w;
	enum health worst = HEALTH_FAIL;
	buf_init(&out, 64 * 1024);
	json_write_init(&w, &out);
	json_begin_object(&w);
	json_put_member_str(&w, "serviceId", str_of(p->process));
	if (!p->started)
		json_put_member_str(&w, "output", STR("starting"));
	else if (p->draining)
		json_put_member_str(&w, "output", STR("draining"));
	else
		worst = write_checks(p, &w);
	json_put_member_str(&w, "status", health_name(worst));
	json_end_object(&w);
	answer(x, worst == HEALTH_FAIL ? 503 : 200, STR("application/health+json"), buf_view(&out));
	buf_free(&out);
}

static void answer_started(struct private_listener *p, struct http_exchange *x)
{
	struct str body =
	    p->started ? STR("{\"status\":\"pass\"}") : STR("{\"status\":\"fail\",\"output\":\"starting\"}");
	answer(x, p->started ? 200 : 503, STR("application/health+json"), body);
}

static void on_request(void *arg, struct http_exchange *x)
{
	struct private_listener *p = arg;
	if (!str_eq(x->method, STR("GET")) && !str_eq(x->method, STR("HEAD")))
		answer(x, 405, STR_NONE, STR_NONE);
	else if (str_eq(x->path, STR("/metrics")))
		answer_metrics(p, x);
	else if (str_eq(x->path, STR("/livez")))
		answer(x, 200, STR("application/health+json"), STR("{\"status\":\"pass\"}"));
	else if (str_eq(x->path, STR("/startupz")))
		answer_started(p, x);
	else if (str_eq(x->path, STR("/readyz")))
		answer_ready(p, x);
	else
		answer(x, 404, STR_NONE, STR_NONE);
}

static void on_refused(void *arg, struct http_exchange *x, enum err why)
{
	(void)arg;
	answer(x, err_info(why)->status, STR_NONE, STR_NONE);
}

enum err private_listener_open(struct loop *l, struct str address, const char *process, const struct metrics *metrics,
    struct private_listener **out)
{
	*out = NULL;
	if (!address.n) return ERR_NONE;
	struct private_listener *p = calloc(1, sizeof *p);
	CHECK(p != NULL);
	p->process = process;
	p->metrics = metrics;
	struct http_server_config config = {
		.body_bytes_max = 1024,
		.connections_max = 64,
		.require_host = true,
		.on_request = on_request,
		.on_refused = on_refused,
		.arg = p,
	};
	enum err e = http_server_open(l, address, false, &config, &p->server);
	if (e == ERR_NONE)
		*out = p;
	else
		free(p);
	return e;
}

void private_listener_add_check(
    struct private_listener *p, struct str name, const char *type, health_check *check, void *arg)
{
	if (!p) return;
	CHECK(p->check_count < HEALTH_CHECKS_MAX);
	struct check *c = &p->checks[p->check_count++];
	c->name_bytes = name.n < sizeof c->name ? name.n : sizeof c->name;
	memcpy(c->name, name.p, c->name_bytes);
	c->type = type;
	c->run = check;
	c->arg = arg;
}

void private_listener_set_started(struct private_listener *p)
{
	if (p) p->started = true;
}

void private_listener_set_draining(struct private_listener *p)
{
	if (p) p->draining = true;
}

void private_listener_close(struct private_listener *p)
{
	if (!p) return;
	http_server_free(p->server);
	free(p);
}

struct str private_listener_address(struct arena *a, struct str address, unsigned index)
{
	if (!index || !address.n) return address;
	if (str_starts(address, STR("unix:"))) return arena_printf(a, "%.*s.%u", STR_FMT(address), index);
	size_t colon = address.n;
	uint64_t port;
	while (colon > 0 && address.p[colon - 1] != ':') colon--;
	if (!colon || !str_to_u64(str_from(address, colon), &port) || port == 0) return address;
	return arena_printf(a, "%.*s%llu", (int)colon, address.p, (unsigned long long)port + index);
}
