/*
 * Boot, reload and end of one gateway process. Boot: settings, keys, contracts, upstreams, then the listeners. SIGHUP loads
 * contracts and keys anew, all or nothing. SIGTERM: not ready at once, no new connections, what is in flight is finished.
 */
#include "gateway/gateway.h"

#include <signal.h>
#include <stdlib.h>

#include "gateway/request.h"

enum {
	EXIT_CONFIG_STATUS = 78,
	DRAIN_MS = 30000,
	SCRATCH_BYTES_MAX = 128 * 1024,
	UNROUTED_BODY_BYTES_MAX = 64 * 1024,
	UNREAD_BYTES_MAX = 16 * 1024,
	UNREAD_TOTAL_MAX = 16 * 1024 * 1024,
	REVOCATIONS_STALE_S = 10
};

/* ── what the HTTP server tells ── */

static enum err on_head(void *arg, struct http_exchange *x, size_t *body_bytes_max)
{
	struct request *r = request_new(arg, x);
	if (!r) return ERR_MEMORY;
	steps_run(r, AT_HEAD);
	*body_bytes_max = r->operation ? r->operation->body_bytes_max : UNROUTED_BODY_BYTES_MAX;
	return ERR_NONE;
}

static void on_request(void *arg, struct http_exchange *x)
{
	(void)arg;
	steps_run(x->user, AT_ANSWER);
}

/* Framing or a limit broke: there may be no head yet. */
static void on_refused(void *arg, struct http_exchange *x, enum err why)
{
	struct request *r = x->user ? x->user : request_new(arg, x);
	if (!r) {
		http_respond(x, &(struct http_response){ .status = err_info(why)->status, .close = true });
		return;
	}
	if (r->step == 0) (void)route_receive(r); /* ids for the answer and the log */
	r->problem = (struct problem){ .err = why };
	steps_fail(r);
}

static void on_finished(void *arg, struct http_exchange *x, int status, size_t bytes_sent)
{
	struct request *r = x->user;
	(void)arg;
	if (!r) return;
	r->sent_status = status;
	r->sent_bytes = bytes_sent;
	steps_end(r);
}

/* ── health ── */

static enum health check_keys(void *arg, struct buf *output)
{
	const struct gateway *g = arg;
	if (keyring_loaded(g->keyring)) return HEALTH_PASS;
	BUF_LIT(output, "the key set was never loaded");
	return HEALTH_FAIL;
}

static enum health check_upstreams(void *arg, struct buf *output)
{
	const struct gateway *g = arg;
	unsigned usable = 0, count = upstreams_count(g->upstreams);
	for (unsigned i = 0; i < count; i++) {
		bool ok = upstreams_usable(g->upstreams, i);
		usable += ok;
		if (!ok) buf_printf(output, "%.*s ", STR_FMT(upstreams_name(g->upstreams, i)));
	}
	if (usable == count) return HEALTH_PASS;
	BUF_LIT(output, "not reachable");
	return usable ? HEALTH_WARN : HEALTH_FAIL;
}

static enum health check_revocations(void *arg, struct buf *output)
{
	const struct gateway *g = arg;
	if (revocations_age_s(g->revocations) <= REVOCATIONS_STALE_S) return HEALTH_PASS;
	BUF_LIT(output, "the list of closed sessions is old");
	return HEALTH_WARN;
}

/* ── reload ── */

static void keys_changed(void *arg)
{
	struct gateway *g = arg;
	if (g->credentials) credentials_flush(g->credentials);
}

static void reload(void *arg, int signo)
{
	struct gateway *g = arg;
	struct arena seal_arena;
	struct str seal_key;
	struct plan *plan;
	(void)signo;
	if (g->draining) return;
	arena_init(&seal_arena, 4096, 64 * 1024);
	enum err e = settings_read_identity_key(&seal_arena, g->settings.identity_key_file, &seal_key);
	if (e == ERR_NONE) e = plan_load(g->settings.proto.p, g->upstreams, g->metrics, g->settings.public_url, &plan);
	if (e != ERR_NONE) {
		arena_release(&seal_arena);
		log_line(LOG_ERROR, "reload refused, nothing changed", "%s", err_info(e)->name);
		return;
	}
	plan_release(g->plan);
	g->plan = plan;
	arena_release(&g->seal_arena);
	g->seal_arena = seal_arena;
	g->seal_key = seal_key;
	credentials_flush(g->credentials);
	signing_keys_flush(g->signing_keys);
	keyring_refresh(g->keyring);
	log_line(LOG_INFO, "reloaded", "%u operations", plan->contract->operation_count);
}

/* ── end ── */

static void drained(void *arg)
{
	struct gateway *g = arg;
	loop_stop(g->loop);
}

static void drain(void *arg, int signo)
{
	struct gateway *g = arg;
	if (g->draining) return;
	g->draining = true;
	log_line(LOG_INFO, "draining", "signal %d", signo);
	private_listener_set_draining(g->private_listener);
	timer_start(g->drain_timer, DRAIN_MS, 0);
	http_server_drain(g->server, drained, g);
}

/* ── boot ── */

static void flush_log(struct loop_task *task)
{
	(void)task;
	log_flush();
}

static double read_lag(void *arg)
{
	return (double)loop_lag_us(arg) / 1e6;
}

static double read_connections(void *arg)
{
	return http_server_stats(arg).connections;
}

static double read_bytes_held(void *arg)
{
	return (double)http_server_stats(arg).bytes_held;
}

static double read_refused(void *arg)
{
	return (double)http_server_stats(arg).refused;
}

static void open_metrics(struct gateway *g)
{
	struct metrics *m = g->metrics = metrics_new();
	metrics_process(m);
	metrics_operation(m, STR("unmatched"), STR("-"), &g->unmatched);
	metrics_operation(m, STR("page"), STR("GET"), &g->pages);
	g->in_flight = metrics_gauge(m, "yg_http_requests_in_flight", "Requests begun and not ended.", NULL, 0);
	g->bytes_in = metrics_counter(m, "yg_http_request_body_bytes_total", "Bytes of bodies received.", NULL, 0);
	g->bytes_out = metrics_counter(m, "yg_http_response_bytes_total", "Bytes of answers sent.", NULL, 0);
	metrics_gauge_fn(
	    m, "yg_loop_lag_seconds", "Longest turn of the loop since the last scrape.", NULL, 0, read_lag, g->loop);
}

static enum err open_private(struct gateway *g, unsigned worker)
{
	struct str address = private_listener_address(&g->boot, g->settings.metrics_listen, worker);
	TRY(private_listener_open(g->loop, address, "gateway", g->metrics, &g->private_listener));
	private_listener_add_check(g->private_listener, STR("identity:keys"), check_keys, g);
	private_listener_add_check(g->private_listener, STR("upstreams:reachable"), check_upstreams, g);
	private_listener_add_check(g->private_listener, STR("identity:revocations"), check_revocations, g);
	return ERR_NONE;
}

static enum err open_identity(struct gateway *g)
{
	struct token_issuer issuer = { .issuer = g->settings.public_url, .audience = g->settings.public_url };
	g->internal = (struct internal){
		.loop = g->loop, .identity = upstreams_shared(g->upstreams, STR("identity")), .seal_key = &g->seal_key
	};
	if (!g->internal.identity) {
		log_line(LOG_ERROR, "YG_UPSTREAMS is not valid", "no upstream for service identity");
		return ERR_CONFIG;
	}
	g->keyring = keyring_new(&g->internal, g->metrics, keys_changed, g);
	g->revocations = revocations_new(&g->internal, g->metrics);
	g->credentials = credentials_new(&g->internal, g->keyring, g->revocations, &issuer, g->metrics);
	g->signing_keys = signing_keys_new(&g->internal);
	g->nonces = nonces_new(&g->internal, g->settings.redis);
	proof_open(g);
	return ERR_NONE;
}

static enum err open_public(struct gateway *g)
{
	struct http_server_config config = {
		.require_host = true,
		.unread_bytes_max = UNREAD_BYTES_MAX,
		.unread_total_max = UNREAD_TOTAL_MAX,
		.on_head = on_head,
		.on_request = on_request,
		.on_refused = on_refused,
		.on_finished = on_finished,
		.arg = g,
	};
	TRY(http_server_open(g->loop, g->settings.listen, g->settings.workers > 1, &config, &g->server));
	metrics_gauge_fn(
	    g->metrics, "yg_http_connections", "Open client connections.", NULL, 0, read_connections, g->server);
	metrics_gauge_fn(
	    g->metrics, "yg_http_bytes_held", "Memory of client connections.", NULL, 0, read_bytes_held, g->server);
	metrics_counter_fn(g->metrics, "yg_http_connections_refused_total", "Connections over the limit.", NULL, 0,
	    read_refused, g->server);
	return ERR_NONE;
}

static enum err boot(struct gateway *g, unsigned worker)
{
	struct arena *a = &g->boot;
	settings_read(a, &g->settings);
	cors_read(&g->cors, a, g->settings.cors_origins);
	g->forwarded_proto = str_starts(g->settings.public_url, STR("https:")) ? STR("https") : STR("http");
	buf_init(&g->scratch, SCRATCH_BYTES_MAX);
	g->log_flush.run = flush_log;
	crypto_init();
	g->loop = loop_new();
	open_metrics(g);
	TRY(settings_read_identity_key(&g->seal_arena, g->settings.identity_key_file, &g->seal_key));
	TRY(upstreams_open(g->loop, a, g->settings.upstreams, g->metrics, &g->upstreams));
	TRY(plan_load(g->settings.proto.p, g->upstreams, g->metrics, g->settings.public_url, &g->plan));
	TRY(open_identity(g));
	TRY(open_private(g, worker));
	TRY(open_public(g));
	g->drain_timer = timer_new(g->loop, drained, g);
	signal_watch(g->loop, SIGTERM, drain, g);
	signal_watch(g->loop, SIGINT, drain, g);
	signal_watch(g->loop, SIGHUP, reload, g);
	private_listener_set_started(g->private_listener);
	return ERR_NONE;
}

static void close_all(struct gateway *g)
{
	g->stopped = true;
	upstreams_free(g->upstreams); /* first: it ends each call, and the request behind it must still be there */
	nonces_free(g->nonces);
	if (g->server) http_server_free(g->server);
	private_listener_close(g->private_listener);
	credentials_free(g->credentials);
	signing_keys_free(g->signing_keys);
	revocations_free(g->revocations);
	keyring_free(g->keyring);
	if (g->drain_timer) timer_free(g->drain_timer);
	plan_release(g->plan);
	if (g->loop) loop_free(g->loop);
	metrics_free(g->metrics);
	arena_release(&g->seal_arena);
	buf_free(&g->scratch);
}

int gateway_run(unsigned worker)
{
	struct gateway *g = calloc(1, sizeof *g);
	CHECK(g != NULL);
	signal(SIGPIPE, SIG_IGN);
	arena_init(&g->boot, 4096, 1024 * 1024);
	arena_init(&g->seal_arena, 4096, 64 * 1024);
	enum err e = boot(g, worker);
	if (e == ERR_NONE) {
		log_line(LOG_INFO, "ready", "%.*s, %u operations", STR_FMT(g->settings.listen),
		    g->plan->contract->operation_count);
		log_flush();
		loop_run(g->loop);
		log_line(LOG_INFO, "stopped", "worker %u", worker);
	}
	close_all(g);
	arena_release(&g->boot);
	free(g);
	log_flush();
	return e == ERR_NONE ? 0 : EXIT_CONFIG_STATUS;
}
