/* Plain proxy routes as a whole: the listeners that know nothing else, the present table of routes, and those before it. */
#include "gateway/proxy/proxy.h"

#include <stdlib.h>

#include "common/core/log.h"
#include "gateway/proxy/table.h"
#include "gateway/request.h"

enum { UNROUTED_BODY_BYTES_MAX = 64 * 1024 };

/* What the metrics of one route's name read, whatever table it stands in. */
struct meter {
	struct meter *next;
	struct str name;
	const struct origin *origin; /* NULL: no route has this name now */
};

struct proxies {
	struct gateway *gateway;
	struct proxy_table *table; /* the present one */
	struct list tables; /* all that somebody holds */
	struct meter *meters;
	struct http_server *servers[PROXY_LISTENERS_MAX];
	unsigned server_count;
	unsigned draining; /* listeners that still have connections */
	bool stopped;
	void (*drained)(void *arg);
	void *drained_arg;
	struct loop_task drained_task;
};

/* ── what the HTTP server tells ── */

static bool on_connect(void *arg, struct str peer)
{
	const struct proxies *p = arg;
	return connections_come(p->gateway->limiting.connections, peer);
}

static void on_disconnect(void *arg, struct str peer)
{
	const struct proxies *p = arg;
	connections_gone(p->gateway->limiting.connections, peer);
}

static enum err on_head(void *arg, struct http_exchange *x, size_t *body_bytes_max)
{
	struct proxies *p = arg;
	struct request *r = request_new(p->gateway, x);
	if (!r) return ERR_MEMORY;
	struct proxy_route *route;
	TRY(proxies_find(p, &x->arena, x->path, false, &route));
	request_use_proxy(r, route);
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

enum err proxies_find(struct proxies *p, struct arena *a, struct str path, bool on_public, struct proxy_route **out)
{
	return proxy_table_find(p->table, a, path, on_public, out);
}

static struct origin_stats stats_of(const struct meter *m)
{
	return m->origin ? origin_stats(m->origin) : (struct origin_stats){ 0 };
}

static double read_in_flight(void *arg)
{
	return stats_of(arg).in_flight;
}

static double read_connections(void *arg)
{
	return stats_of(arg).connections;
}

static double read_addresses(void *arg)
{
	return stats_of(arg).addresses;
}

static double read_failed(void *arg)
{
	return (double)stats_of(arg).failed;
}

static struct meter *meter_of(struct proxies *p, struct str name)
{
	struct meter **at = &p->meters;
	while (*at && !str_eq((*at)->name, name)) at = &(*at)->next;
	if (*at) return *at;
	struct metrics *metrics = p->gateway->metrics;
	struct meter *m = *at = ARENA_NEW(&p->gateway->boot, struct meter);
	CHECK(m != NULL);
	m->name = arena_str(&p->gateway->boot, name);
	struct metric_label l = { "route", m->name };
	metrics_gauge_fn(metrics, "yg_origin_connections", "Connections to origins.", &l, 1, read_connections, m);
	metrics_gauge_fn(metrics, "yg_origin_in_flight", "Requests sent and not answered.", &l, 1, read_in_flight, m);
	metrics_gauge_fn(metrics, "yg_origin_addresses", "Addresses where an origin is.", &l, 1, read_addresses, m);
	metrics_counter_fn(metrics, "yg_origin_failed_total", "Requests without an answer.", &l, 1, read_failed, m);
	return m;
}

static void point_meters(struct proxies *p)
{
	for (struct meter *m = p->meters; m; m = m->next) m->origin = NULL;
	for (unsigned i = 0; !p->stopped && i < p->table->route_count; i++)
		meter_of(p, p->table->routes[i].config.name)->origin = p->table->routes[i].origin;
}

void proxies_use(struct proxies *p, struct proxy_table *table)
{
	struct proxy_table *before = p->table;
	list_push(&p->tables, &table->link);
	proxy_table_open(table, p->gateway, before);
	p->table = table;
	point_meters(p);
	if (before) proxy_route_release(&before->routes[0]); /* there is no table without a route */
}

/* ── the whole ── */

static void on_drained_task(struct loop_task *task)
{
	struct proxies *p = CONTAINER_OF(task, struct proxies, drained_task);
	if (p->drained) p->drained(p->drained_arg);
}

struct proxies *proxies_new(struct gateway *g, struct proxy_table *table)
{
	struct proxies *p = calloc(1, sizeof *p);
	CHECK(p != NULL);
	p->gateway = g;
	p->drained_task.run = on_drained_task;
	list_init(&p->tables);
	proxies_use(p, table);
	return p;
}

enum err proxies_listen(struct proxies *p)
{
	struct gateway *g = p->gateway;
	const struct listeners *l = g->process->listeners;
	struct http_server_config config = gateway_limits(g);
	config.body_bytes_max = (size_t)16 * 1024 * 1024; /* each route has its own */
	config.on_connect = on_connect;
	config.on_disconnect = on_disconnect;
	config.on_head = on_head;
	config.on_request = on_request;
	config.on_refused = on_refused;
	config.on_finished = request_finished;
	config.arg = p;
	for (unsigned i = 0; i < PROXY_LISTENERS_MAX; i++) {
		struct str address = listeners_address(l, &g->boot, LISTENER_PROXY + i, g->worker);
		if (!address.p) continue;
		TRY(http_server_open(g->loop, address, false, &config, &p->servers[p->server_count]));
		p->server_count++;
	}
	return ERR_NONE;
}

void proxies_stop(struct proxies *p)
{
	if (!p) return;
	p->stopped = true;
	point_meters(p);
	for (struct list *i = p->tables.next, *next; i != &p->tables; i = next) {
		next = i->next;
		proxy_table_stop(CONTAINER_OF(i, struct proxy_table, link));
	}
}

void proxies_close(struct proxies *p)
{
	for (unsigned i = 0; p && i < p->server_count; i++) http_server_free(p->servers[i]);
}

void proxies_free(struct proxies *p)
{
	for (struct list *i; p && (i = list_first(&p->tables));)
		proxy_table_free(CONTAINER_OF(i, struct proxy_table, link));
	free(p);
}

static void one_drained(void *arg)
{
	struct proxies *p = arg;
	if (--p->draining == 0) loop_push(p->gateway->loop, PHASE_LAST, &p->drained_task);
}

void proxies_drain(struct proxies *p, int64_t grace_ms, void (*drained)(void *arg), void *arg)
{
	p->drained = drained;
	p->drained_arg = arg;
	p->draining = p->server_count;
	if (!p->server_count) loop_push(p->gateway->loop, PHASE_LAST, &p->drained_task);
	for (unsigned i = 0; i < p->server_count; i++) {
		if (grace_ms)
			http_server_retire(p->servers[i], grace_ms, one_drained, p);
		else
			http_server_drain(p->servers[i], one_drained, p);
	}
}
