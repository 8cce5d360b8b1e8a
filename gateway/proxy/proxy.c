/* Plain proxy routes as a whole: their origins, the listeners that know nothing else, and which route a path belongs to. */
#include "gateway/proxy/proxy.h"

#include <stdlib.h>

#include "common/core/log.h"
#include "gateway/request.h"

enum { UNROUTED_BODY_BYTES_MAX = 64 * 1024 };

struct proxies {
	struct gateway *gateway;
	struct proxy_route routes[PROXY_ROUTES_MAX];
	unsigned route_count;
	struct http_server *servers[PROXY_LISTENERS_MAX];
	unsigned server_count;
	unsigned draining; /* listeners that still have connections */
	void (*drained)(void *arg);
	void *drained_arg;
	struct loop_task drained_task;
};

/* ── what the HTTP server tells ── */

static enum err on_head(void *arg, struct http_exchange *x, size_t *body_bytes_max)
{
	struct proxies *p = arg;
	struct request *r = request_new(p->gateway, x);
	if (!r) return ERR_MEMORY;
	request_use_proxy(r, proxies_find(p, x->path, false));
	steps_run(r, AT_HEAD);
	*body_bytes_max = r->proxy ? r->proxy->config.body_bytes_max : UNROUTED_BODY_BYTES_MAX;
	return ERR_NONE;
}

static void on_request(void *arg, struct http_exchange *x)
{
	(void)arg;
	steps_run(x->user, AT_ANSWER);
}

static void on_refused(void *arg, struct http_exchange *x, enum err why)
{
	struct proxies *p = arg;
	struct request *r = x->user ? x->user : request_new(p->gateway, x);
	if (r && !r->proxied) request_use_proxy(r, NULL);
	if (r && r->step == 0) (void)proxy_receive(r);
	request_refused(r, x, why);
}

/* ── routes ── */

static bool covers(struct str prefix, struct str path)
{
	if (prefix.n == 1) return true;
	return str_starts(path, prefix) && (path.n == prefix.n || path.p[prefix.n] == '/');
}

struct proxy_route *proxies_find(struct proxies *p, struct str path, bool on_public)
{
	struct proxy_route *best = NULL;
	for (unsigned i = 0; p && i < p->route_count; i++) {
		struct proxy_route *r = &p->routes[i];
		if ((on_public && !r->config.is_public) || !covers(r->config.prefix, path)) continue;
		if (!best || best->config.prefix.n < r->config.prefix.n) best = r;
	}
	return best;
}

static double read_in_flight(void *arg)
{
	return origin_stats(arg).in_flight;
}

static double read_connections(void *arg)
{
	return origin_stats(arg).connections;
}

static double read_failed(void *arg)
{
	return (double)origin_stats(arg).failed;
}

static void open_route(struct proxies *p, const struct proxy_route_config *config)
{
	struct gateway *g = p->gateway;
	struct proxy_route *r = &p->routes[p->route_count++];
	struct metric_label l = { "route", config->name };
	*r = (struct proxy_route){ .config = *config, .cache = config->cache ? g->cache : NULL, .loop = g->loop };
	r->origin = origin_new(g->loop, &(struct origin_config){ .name = config->name,
					    .addresses = r->config.origins,
					    .address_count = config->origin_count,
					    .connections_max = config->connections_max,
					    .reply_bytes_max = config->reply_bytes_max });
	metrics_operation(g->metrics, config->name, STR("*"), &r->metrics);
	metrics_gauge_fn(
	    g->metrics, "yg_origin_connections", "Connections to origins.", &l, 1, read_connections, r->origin);
	metrics_gauge_fn(
	    g->metrics, "yg_origin_in_flight", "Requests sent and not answered.", &l, 1, read_in_flight, r->origin);
	metrics_counter_fn(
	    g->metrics, "yg_origin_failed_total", "Requests without an answer.", &l, 1, read_failed, r->origin);
}

/* ── the whole ── */

static void on_drained_task(struct loop_task *task)
{
	struct proxies *p = CONTAINER_OF(task, struct proxies, drained_task);
	if (p->drained) p->drained(p->drained_arg);
}

static enum err open_listener(struct proxies *p, struct str address, bool reuse_port)
{
	struct http_server_config config = {
		.require_host = true,
		.body_bytes_max = (size_t)16 * 1024 * 1024, /* each route has its own */
		.on_head = on_head,
		.on_request = on_request,
		.on_refused = on_refused,
		.on_finished = request_finished,
		.arg = p,
	};
	TRY(http_server_open(p->gateway->loop, address, reuse_port, &config, &p->servers[p->server_count]));
	p->server_count++;
	log_line(LOG_INFO, "listening for proxied requests", "%.*s", STR_FMT(address));
	return ERR_NONE;
}

enum err proxies_open(struct gateway *g, const struct proxy_config *config, bool reuse_port, struct proxies **out)
{
	struct proxies *p = *out = calloc(1, sizeof *p);
	CHECK(p != NULL);
	p->gateway = g;
	p->drained_task.run = on_drained_task;
	for (unsigned i = 0; i < config->route_count; i++) open_route(p, &config->routes[i]);
	for (unsigned i = 0; i < config->listener_count; i++) TRY(open_listener(p, config->listeners[i], reuse_port));
	return ERR_NONE;
}

void proxies_stop(struct proxies *p)
{
	for (unsigned i = 0; p && i < p->route_count; i++) origin_free(p->routes[i].origin);
}

void proxies_close(struct proxies *p)
{
	for (unsigned i = 0; p && i < p->server_count; i++) http_server_free(p->servers[i]);
}

void proxies_free(struct proxies *p)
{
	free(p);
}

static void one_drained(void *arg)
{
	struct proxies *p = arg;
	if (--p->draining == 0) loop_push(p->gateway->loop, PHASE_LAST, &p->drained_task);
}

void proxies_drain(struct proxies *p, void (*drained)(void *arg), void *arg)
{
	p->drained = drained;
	p->drained_arg = arg;
	p->draining = p->server_count;
	if (!p->server_count) loop_push(p->gateway->loop, PHASE_LAST, &p->drained_task);
	for (unsigned i = 0; i < p->server_count; i++) http_server_drain(p->servers[i], one_drained, p);
}
