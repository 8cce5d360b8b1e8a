/*
 * Boot, reload and end of one gateway process. Boot: settings, keys, contracts, certificates, upstreams, then the listeners. SIGHUP
 * loads contracts, keys and certificates anew, all or nothing. SIGTERM: not ready at once, no new connections, what is in flight is
 * finished. SIGUSR2: another gateway takes over the sockets (handover.h), then the same without anybody noticing.
 */
#include "gateway/gateway.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "gateway/cache/tags.h"
#include "gateway/docs.h"
#include "gateway/limit/address_rules.h"
#include "gateway/request.h"

enum {
	EXIT_CONFIG_STATUS = 78,
	DRAIN_MS = 30000,
	SCRATCH_BYTES_MAX = 128 * 1024,
	UNROUTED_BODY_BYTES_MAX = 64 * 1024,
	UNREAD_BYTES_MAX = 16 * 1024,
	UNREAD_TOTAL_MAX = 16 * 1024 * 1024,
	REVOCATIONS_STALE_S = 10,
	RETIRE_GRACE_MS = 5000, /* for a request that is on its way on an idle connection */
	SERVE_POLL_MS = 10,
	TLS_CHECK_MS = 10 * 1000,
	CERTIFICATE_WARN_S = 14 * 24 * 3600
};

/* ── what the HTTP server tells ── */

static enum err on_head(void *arg, struct http_exchange *x, size_t *body_bytes_max)
{
	struct gateway *g = arg;
	struct request *r = request_new(g, x);
	if (!r) return ERR_MEMORY;
	struct proxy_route *proxy = NULL;
	if (g->proxies) TRY(proxies_find(g->proxies, &x->arena, x->path, true, &proxy));
	if (proxy) request_use_proxy(r, proxy);
	steps_run(r, AT_HEAD);
	*body_bytes_max = r->operation ? r->operation->body_bytes_max
			  : proxy      ? proxy->config.body_bytes_max
				       : UNROUTED_BODY_BYTES_MAX;
	return ERR_NONE;
}

static bool on_connect(void *arg, struct str peer)
{
	struct gateway *g = arg;
	return connections_come(g->limiting.connections, peer);
}

static void on_disconnect(void *arg, struct str peer)
{
	struct gateway *g = arg;
	connections_gone(g->limiting.connections, peer);
}

static bool trusts_proxy(void *arg, struct str peer)
{
	const struct gateway *g = arg;
	return trusted_proxies_have(&g->limiting.trusted, peer);
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
	if (r && r->step == 0) (void)route_receive(r); /* ids for the answer and the log */
	request_refused(r, x, why);
}

/* ── health ── */

static enum health check_keys(void *arg, struct health_note *note)
{
	const struct gateway *g = arg;
	if (keyring_loaded(g->keyring)) return HEALTH_PASS;
	BUF_LIT(&note->output, "the key set was never loaded");
	return HEALTH_FAIL;
}

static enum health check_upstreams(void *arg, struct health_note *note)
{
	const struct gateway *g = arg;
	unsigned usable = 0, count = upstreams_count(g->upstreams);
	for (unsigned i = 0; i < count; i++) {
		bool ok = upstreams_usable(g->upstreams, i);
		usable += ok;
		if (!ok) buf_printf(&note->output, "%.*s ", STR_FMT(upstreams_name(g->upstreams, i)));
	}
	note->value = usable;
	note->unit = "services";
	if (usable == count) return HEALTH_PASS;
	BUF_LIT(&note->output, "not reachable");
	return usable ? HEALTH_WARN : HEALTH_FAIL;
}

static enum health check_revocations(void *arg, struct health_note *note)
{
	const struct gateway *g = arg;
	int64_t age_s = revocations_age_s(g->revocations);
	if (age_s != INT64_MAX) note->value = age_s, note->unit = "s";
	if (age_s <= REVOCATIONS_STALE_S) return HEALTH_PASS;
	BUF_LIT(&note->output, "the list of closed sessions is old");
	return age_s == INT64_MAX ? HEALTH_FAIL : HEALTH_WARN; /* tokens are not taken before it was read once */
}

/* Nothing stops without Redis: limits and purges are this process's own meanwhile. */
static enum health check_redis(void *arg, struct health_note *note)
{
	const struct gateway *g = arg;
	bool limits = limits_are_shared(g->limiting.limits), cache = tags_in_step(g->cache->tags);
	if (limits && cache) return HEALTH_PASS;
	if (!limits) BUF_LIT(&note->output, "rate limits are counted by this process alone; ");
	if (!cache) BUF_LIT(&note->output, "purges may be missed: what is kept is served for seconds only");
	return HEALTH_WARN;
}

static enum health check_certificate_end(void *arg, struct health_note *note)
{
	const struct gateway *g = arg;
	note->value = tls_stats(g->tls).expires_s - clock_wall_s();
	note->unit = "s";
	if (note->value > CERTIFICATE_WARN_S) return HEALTH_PASS;
	buf_printf(&note->output, note->value > 0 ? "a certificate expires soon" : "a certificate has expired");
	return HEALTH_WARN;
}

/* ── reload ── */

static void keys_changed(void *arg)
{
	struct gateway *g = arg;
	if (g->credentials) credentials_flush(g->credentials);
}

/* Certificates are renewed by programs that know nothing of us. */
static void check_certificates(void *arg)
{
	struct gateway *g = arg;
	if (g->draining || !tls_files_changed(g->tls)) return;
	if (tls_reload(g->tls) == ERR_NONE)
		log_line(LOG_INFO, "certificates reloaded", "%u", tls_stats(g->tls).certificates);
	else
		log_line(LOG_ERROR, "certificates not reloaded, nothing changed", "%.*s",
		    STR_FMT(g->settings.tls.certificates));
}

/* ── end ── */

static void overdue(void *arg)
{
	struct gateway *g = arg;
	loop_stop(g->loop);
}

static void drained(void *arg)
{
	struct gateway *g = arg;
	if (--g->drains == 0) otlp_finish(g->otlp, overdue, g);
}

static void begin_end(struct gateway *g, const char *how, int signo)
{
	g->draining = true;
	log_line(LOG_INFO, how, "signal %d", signo);
	listeners_close(g->process->listeners);
	timer_start(g->drain_timer, DRAIN_MS, 0);
	g->drains = (g->server != NULL) + (g->proxies != NULL);
	if (!g->drains) loop_stop(g->loop);
}

static void drain(void *arg, int signo)
{
	struct gateway *g = arg;
	if (g->draining) return;
	begin_end(g, "draining", signo);
	handover_cancel(&g->handover);
	private_listener_set_draining(g->private_listener);
	if (g->server) http_server_drain(g->server, drained, g);
	if (g->proxies) proxies_drain(g->proxies, 0, drained, g);
}

/* Another gateway has the sockets: nobody is to notice. */
static void retire(void *arg, int signo)
{
	struct gateway *g = arg;
	if (g->draining) return;
	begin_end(g, "retiring", signo);
	private_listener_close(g->private_listener); /* the other one speaks there now */
	g->private_listener = NULL;
	if (g->server) http_server_retire(g->server, RETIRE_GRACE_MS, drained, g);
	if (g->proxies) proxies_drain(g->proxies, RETIRE_GRACE_MS, drained, g);
}

static void watch_handover(void *arg)
{
	struct gateway *g = arg;
	enum handover_state state = handover_check(&g->handover);
	if (state == HANDOVER_WAITING) return;
	timer_stop(g->handover_timer);
	if (state == HANDOVER_DONE) retire(g, SIGUSR2);
}

static void begin_handover(void *arg, int signo)
{
	struct gateway *g = arg;
	(void)signo;
	if (g->draining || g->process->ready_fd >= 0) return; /* a worker's parent does it */
	if (handover_begin(&g->handover, g->process->listeners) == ERR_NONE)
		timer_start(g->handover_timer, HANDOVER_POLL_MS, HANDOVER_POLL_MS);
}

/* ── boot ── */

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

static double read_proxies_refused(void *arg)
{
	return (double)http_server_stats(arg).proxies_refused;
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

static enum err open_private(struct gateway *g)
{
	struct str address = listeners_address(g->process->listeners, &g->boot, LISTENER_PRIVATE, g->worker);
	TRY(private_listener_open(g->loop, address, "gateway", g->metrics, &g->private_listener));
	if (g->tls)
		private_listener_add_check(
		    g->private_listener, STR("tls:certificates"), "component", check_certificate_end, g);
	if (!g->settings.contracts) return ERR_NONE;
	if (g->settings.redis.n)
		private_listener_add_check(g->private_listener, STR("redis:reachable"), "datastore", check_redis, g);
	private_listener_add_check(g->private_listener, STR("identity:keys"), "component", check_keys, g);
	private_listener_add_check(g->private_listener, STR("upstreams:reachable"), "component", check_upstreams, g);
	private_listener_add_check(g->private_listener, STR("identity:revocations"), "component", check_revocations, g);
	return ERR_NONE;
}

static enum err open_traces(struct gateway *g)
{
	const struct settings *s = &g->settings;
	struct otlp_config config = { .loop = g->loop,
		.metrics = g->metrics,
		.service = STR("gateway"),
		.address = s->public_url.n ? s->public_url : s->listen };
	return otlp_open(&g->boot, &config, &g->otlp);
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

struct http_server_config gateway_limits(const struct gateway *g)
{
	const struct settings *s = &g->settings;
	return (struct http_server_config){ .require_host = true,
		.unread_bytes_max = UNREAD_BYTES_MAX,
		.unread_total_max = UNREAD_TOTAL_MAX,
		.connections_max = s->connections_max,
		.head_timeout_ms = s->head_timeout_ms,
		.body_timeout_ms = s->body_timeout_ms,
		.idle_timeout_ms = s->idle_timeout_ms,
		.write_timeout_ms = s->write_timeout_ms };
}

static enum err open_public(struct gateway *g)
{
	struct http_server_config config = gateway_limits(g);
	config.on_connect = on_connect;
	config.on_disconnect = on_disconnect;
	config.on_head = on_head;
	config.on_request = on_request;
	config.on_refused = on_refused;
	config.on_finished = request_finished;
	config.arg = g;
	const struct listeners *l = g->process->listeners;
	struct str plain = listeners_address(l, &g->boot, LISTENER_PLAIN, g->worker);
	struct str tls = listeners_address(l, &g->boot, LISTENER_TLS, g->worker);
	TRY(http_server_open(g->loop, plain, false, &config, &g->server));
	if (g->settings.proxied_plain) http_server_expect_proxies(g->server, trusts_proxy, g);
	if (g->tls) TRY(http_server_listen(g->server, tls, false, g->tls));
	if (g->tls && g->settings.proxied_tls) http_server_expect_proxies(g->server, trusts_proxy, g);
	metrics_gauge_fn(
	    g->metrics, "yg_http_connections", "Open client connections.", NULL, 0, read_connections, g->server);
	metrics_gauge_fn(
	    g->metrics, "yg_http_bytes_held", "Memory of client connections.", NULL, 0, read_bytes_held, g->server);
	metrics_counter_fn(g->metrics, "yg_http_connections_refused_total", "Connections over the limit.", NULL, 0,
	    read_refused, g->server);
	metrics_counter_fn(g->metrics, "yg_http_proxies_refused_total",
	    "Connections that are no proxy's of ours, or do not say whose they are.", NULL, 0, read_proxies_refused,
	    g->server);
	return ERR_NONE;
}

/* The cache of both kinds of routes; and the file of plain proxy routes, which may say how big it is. */
static enum err open_cache(struct gateway *g)
{
	struct cache_config config = { .loop = g->loop,
		.bytes_max = g->settings.cache_bytes,
		.redis = g->settings.redis,
		.shared = g->settings.cache_shared,
		.metrics = g->metrics };
	if (g->settings.config.p) {
		TRY(proxy_table_load(g->settings.config.p, &g->proxy_table));
		size_t bytes = proxy_table_config(g->proxy_table)->cache_bytes;
		if (bytes) config.bytes_max = bytes;
	}
	g->cache = cache_new(&config);
	return g->cache ? ERR_NONE : ERR_CONFIG;
}

static enum err open_contracts(struct gateway *g)
{
	TRY(settings_read_identity_key(&g->seal_arena, g->settings.identity_key_file, &g->seal_key));
	TRY(upstreams_open(g->loop, &g->boot, g->settings.upstreams, g->metrics, &g->upstreams));
	TRY(gateway_load_plan(g, &g->plan));
	g->docs = docs_open(g->settings.docs_dir.p);
	limiting_open_rates(&g->limiting, g->loop, &g->settings, g->seal_key, g->metrics);
	return open_identity(g);
}

static double read_handshakes(void *arg)
{
	return (double)tls_stats(arg).handshakes;
}

static double read_resumed(void *arg)
{
	return (double)tls_stats(arg).resumed;
}

static double read_failed(void *arg)
{
	return (double)tls_stats(arg).failed;
}

static double read_certificate_end(void *arg)
{
	return (double)tls_stats(arg).expires_s;
}

static enum err open_tls(struct gateway *g)
{
	struct metrics *m = g->metrics;
	if (!g->settings.tls_listen.n) return ERR_NONE;
	TRY(tls_open(&g->settings.tls, &g->tls));
	metrics_counter_fn(
	    m, "yg_tls_handshakes_total", "TLS handshakes that ended well.", NULL, 0, read_handshakes, g->tls);
	metrics_counter_fn(m, "yg_tls_resumed_total", "Of these, by a ticket.", NULL, 0, read_resumed, g->tls);
	metrics_counter_fn(m, "yg_tls_failed_total", "TLS handshakes that did not.", NULL, 0, read_failed, g->tls);
	metrics_gauge_fn(m, "yg_tls_certificate_expiry_seconds", "When the first certificate expires, Unix time.", NULL,
	    0, read_certificate_end, g->tls);
	g->tls_timer = timer_new(g->loop, check_certificates, g);
	timer_start(g->tls_timer, TLS_CHECK_MS, TLS_CHECK_MS);
	return ERR_NONE;
}

static enum err serve(struct gateway *g)
{
	if (g->settings.contracts) TRY(open_public(g));
	if (g->proxies) TRY(proxies_listen(g->proxies));
	arena_trim();
	private_listener_set_started(g->private_listener);
	if (g->plan)
		log_line(LOG_INFO, "ready", "%.*s, %u operations", STR_FMT(g->settings.listen),
		    g->plan->contract->operation_count);
	else
		log_line(LOG_INFO, "ready", "plain proxy routes of %.*s", STR_FMT(g->settings.config));
	if (g->process->ready_fd < 0) {
		handover_tell_ready(g->settings.pid_file);
	} else if (write(g->process->ready_fd, "1", 1) != 1) {
		log_line(LOG_WARN, "the parent was not told", "worker %u", g->worker);
	}
	return ERR_NONE;
}

static bool is_able(struct gateway *g)
{
	if (!g->settings.contracts) return true;
	struct health_note reasons = { .unit = NULL };
	buf_init(&reasons.output, 4096);
	bool able = check_keys(g, &reasons) == HEALTH_PASS && check_upstreams(g, &reasons) != HEALTH_FAIL &&
		    check_revocations(g, &reasons) == HEALTH_PASS;
	buf_free(&reasons.output);
	return able;
}

/* A successor accepts nobody whom the gateway before could serve better. */
static void serve_when_able(void *arg)
{
	struct gateway *g = arg;
	if (g->draining || (!is_able(g) && loop_now_ms(g->loop) < g->serve_at_ms)) return;
	timer_stop(g->serve_timer);
	if (serve(g) != ERR_NONE) loop_stop(g->loop);
}

static enum err begin_serving(struct gateway *g)
{
	if (!g->process->listeners->taken_over) return serve(g);
	g->serve_at_ms =
	    loop_now_ms(g->loop) + HANDOVER_MS + 2000; /* by then the gateway before is no more, or we are not */
	timer_start(g->serve_timer, SERVE_POLL_MS, SERVE_POLL_MS);
	return ERR_NONE;
}

static enum err boot(struct gateway *g)
{
	struct arena *a = &g->boot;
	settings_read(a, &g->settings);
	cors_read(&g->cors, a, g->settings.cors_origins);
	g->public_https = str_starts(g->settings.public_url, STR("https:"));
	g->forwarded_proto = g->public_https ? STR("https") : STR("http");
	buf_init(&g->scratch, SCRATCH_BYTES_MAX);
	crypto_init();
	g->loop = loop_new();
	open_metrics(g);
	TRY(open_traces(g));
	TRY(open_cache(g));
	TRY(limiting_open(&g->limiting, &g->settings, g->metrics));
	if (g->settings.contracts) TRY(open_contracts(g));
	TRY(gateway_load_address_rules(g, g->plan, g->proxy_table, &g->address_rules));
	g->denied = metrics_counter(
	    g->metrics, "yg_limit_addresses_denied_total", "Requests refused by the address rules.", NULL, 0);
	TRY(open_tls(g));
	TRY(open_private(g));
	if (g->proxy_table) g->proxies = proxies_new(g, g->proxy_table);
	g->proxy_table = NULL;
	g->drain_timer = timer_new(g->loop, overdue, g);
	g->handover_timer = timer_new(g->loop, watch_handover, g);
	g->serve_timer = timer_new(g->loop, serve_when_able, g);
	signal_watch(g->loop, SIGTERM, drain, g);
	signal_watch(g->loop, SIGINT, drain, g);
	signal_watch(g->loop, SIGQUIT, retire, g);
	signal_watch(g->loop, SIGHUP, gateway_reload, g);
	signal_watch(g->loop, SIGUSR2, begin_handover, g);
	return begin_serving(g);
}

static void free_timer(struct timer *t)
{
	if (t) timer_free(t);
}

static void close_all(struct gateway *g)
{
	g->stopped = true;
	upstreams_free(g->upstreams); /* first: it ends each call, and the request behind it must still be there */
	nonces_free(g->nonces);
	proxies_stop(g->proxies);
	limits_free(g->limiting.limits); /* whoever waits for a verdict goes on, and hears that we stop */
	if (g->server) http_server_free(g->server);
	proxies_close(g->proxies);
	cache_stop(g->cache);
	otlp_stop(g->otlp);
	private_listener_close(g->private_listener);
	credentials_free(g->credentials);
	signing_keys_free(g->signing_keys);
	revocations_free(g->revocations);
	keyring_free(g->keyring);
	free_timer(g->drain_timer);
	free_timer(g->handover_timer);
	free_timer(g->serve_timer);
	free_timer(g->tls_timer);
	plan_release(g->plan);
	if (g->loop) loop_free(g->loop);
	connections_free(g->limiting.connections); /* the last ones are told of inside loop_free */
	otlp_free(g->otlp);
	cache_free(g->cache);
	proxies_free(g->proxies);
	proxy_table_free(g->proxy_table);
	address_rules_free(g->address_rules);
	docs_free(g->docs);
	tls_free(g->tls); /* after the connections */
	listeners_close(g->process->listeners);
	metrics_free(g->metrics);
	arena_release(&g->seal_arena);
	buf_free(&g->scratch);
}

int gateway_run(const struct gateway_process *process, unsigned worker)
{
	struct gateway *g = calloc(1, sizeof *g);
	CHECK(g != NULL);
	g->process = process;
	g->worker = worker;
	signal(SIGPIPE, SIG_IGN);
	arena_init(&g->boot, 4096, 1024 * 1024);
	arena_init(&g->seal_arena, 4096, 64 * 1024);
	enum err e = boot(g);
	if (e == ERR_NONE) {
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
