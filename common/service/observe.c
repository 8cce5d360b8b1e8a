/* What operators see of a service: metrics per operation, the state of its pools, readiness, the access log. */
#include "common/service/runtime.h"

#include "common/core/clock.h"
#include "common/core/config.h"
#include "common/core/log.h"

enum { SLOW_NS = 100 * 1000 * 1000 };

static double read_lag(void *arg)
{
	return (double)loop_lag_us(((struct service *)arg)->loop) / 1e6;
}

static double read_queued(void *arg)
{
	return pg_pool_stats(((struct service *)arg)->pool).queued;
}

static double read_in_flight(void *arg)
{
	return pg_pool_stats(((struct service *)arg)->pool).in_flight;
}

static double read_connected(void *arg)
{
	return pg_pool_stats(((struct service *)arg)->pool).connected;
}

static double read_reconnects(void *arg)
{
	return (double)pg_pool_stats(((struct service *)arg)->pool).reconnects;
}

static double read_retries(void *arg)
{
	return (double)pg_pool_stats(((struct service *)arg)->pool).retries;
}

static double read_groups(void *arg)
{
	return (double)pg_pool_stats(((struct service *)arg)->pool).groups;
}

static double read_connections(void *arg)
{
	struct service *s = arg;
	return s->server ? http_server_stats(s->server).connections : 0;
}

static double read_bytes_held(void *arg)
{
	struct service *s = arg;
	return s->server ? (double)http_server_stats(s->server).bytes_held : 0;
}

static enum health check_database(void *arg, struct health_note *note)
{
	const struct service *s = arg;
	note->value = pg_pool_stats(s->pool).connected;
	note->unit = "connections";
	if (pg_pool_ready(s->pool)) return HEALTH_PASS;
	BUF_LIT(&note->output, "no connection");
	return HEALTH_FAIL;
}

enum err observe_start(struct service *s)
{
	struct metrics *m = s->metrics = metrics_new();
	metrics_process(m);
	metrics_gauge_fn(
	    m, "yg_loop_lag_seconds", "Longest turn of the event loop since the last scrape.", NULL, 0, read_lag, s);
	metrics_gauge_fn(m, "yg_pg_queued", "Groups waiting for a lane.", NULL, 0, read_queued, s);
	metrics_gauge_fn(
	    m, "yg_pg_in_flight", "Groups sent and not yet answered (lane depth).", NULL, 0, read_in_flight, s);
	metrics_gauge_fn(m, "yg_pg_connected", "Lanes that are connected.", NULL, 0, read_connected, s);
	metrics_counter_fn(m, "yg_pg_reconnects_total", "Connections made again.", NULL, 0, read_reconnects, s);
	metrics_counter_fn(m, "yg_pg_retries_total", "Groups repeated after a serialization failure or deadlock.", NULL,
	    0, read_retries, s);
	metrics_counter_fn(m, "yg_pg_groups_total", "Groups sent.", NULL, 0, read_groups, s);
	metrics_gauge_fn(m, "yg_http_connections", "Open connections.", NULL, 0, read_connections, s);
	metrics_gauge_fn(
	    m, "yg_http_bytes_held", "Memory held for connections and requests.", NULL, 0, read_bytes_held, s);
	struct str address =
	    private_listener_address(&s->boot, config_str(&s->boot, "YG_METRICS_LISTEN", NULL), s->worker);
	TRY(private_listener_open(s->loop, address, s->def->name, m, &s->private_listener));
	if (s->private_listener)
		private_listener_add_check(
		    s->private_listener, STR("postgresql:connections"), "datastore", check_database, s);
	return ERR_NONE;
}

int64_t *service_gauge(struct service *s, const char *name, const char *help)
{
	return metrics_gauge(s->metrics, name, help, NULL, 0);
}

void observe_link(struct service *s)
{
	const struct contract *c = s->link->contract;
	struct operation_metrics *m = s->link->metrics; /* the same series again after a re-link */
	for (unsigned i = 0; i < c->operation_count; i++)
		metrics_operation(s->metrics, c->operations[i].id, c->operations[i].method, &m[i]);
	metrics_operation(s->metrics, STR("unmatched"), STR("-"), &m[c->operation_count]);
}

static void export_span(const struct request *r, int status, int64_t elapsed_ns)
{
	const struct operation *op = r->linked ? r->linked->operation : NULL;
	struct otlp_request span = { .method = r->x->method,
		.route = op ? op->path : STR_NONE,
		.operation = op ? op->id : STR("unmatched"),
		.request_id = r->request_id,
		.status = status,
		.duration_ns = elapsed_ns };
	otlp_add(r->service->otlp, &r->trace, &span);
}

/* The gateway's log has every request. A service adds a line of its own about what may have changed something, failed or was slow. */
static bool is_worth_a_line(const struct request *r, int status, int64_t elapsed_ns)
{
	return status >= 400 || elapsed_ns >= SLOW_NS || !str_list_has(STR("GET HEAD"), ' ', r->x->method);
}

void observe_request(struct request *r, int status, size_t bytes)
{
	const struct link *l = r->link;
	unsigned index = r->linked ? r->linked->operation->index : l->contract->operation_count;
	int64_t elapsed_ns = clock_mono_ns() - r->started_ns;
	operation_metrics_count(&l->metrics[index], status, elapsed_ns);
	if (otlp_wants(r->service->otlp, &r->trace)) export_span(r, status, elapsed_ns);
	enum log_level level = is_worth_a_line(r, status, elapsed_ns) ? LOG_INFO : LOG_DEBUG;
	if (!log_wants(level)) return;
	log_begin(level, "request");
	log_str("operation", r->linked ? r->linked->operation->id : STR("unmatched"));
	log_int("status", status);
	log_int("us", elapsed_ns / 1000);
	log_int("bytes", (int64_t)bytes);
	log_str("request_id", r->request_id);
	log_word("trace_id", str_span(r->trace.trace_id, TRACE_ID_BYTES));
	log_str("kind", principal_kind_name(r->principal.kind));
	log_end();
}
