/* A service's main: settings, the link, the pool, the listener; then the loop until SIGTERM has been drained. */
#include "common/service/runtime.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/core/config.h"
#include "common/core/log.h"
#include "common/pg/migrate.h"
#include "common/net/workers.h"

enum {
	BOOT_BYTES_MAX = 32 * 1024 * 1024,
	REPORT_BYTES_MAX = 256 * 1024,
	DRAIN_MS_MAX = 30000,
	DRAIN_POLL_MS = 50,
	IDENTITIES_MAX = 4096,
	EXIT_CONFIG = 78,
	MMAP_BYTES = 1024 * 1024,
	TRIM_BYTES = 4 * 1024 * 1024
};

static void report_print(const struct buf *report)
{
	fprintf(stderr, "%.*s", STR_FMT(buf_view(report)));
}

static int migrate(struct service *s)
{
	struct str owner = config_need(&s->boot, "YG_PG_OWNER");
	struct str own = arena_printf(&s->boot, "%.*s/migrations", STR_FMT(s->dir));
	const char *const dirs[] = { "common/service/migrations", own.p, NULL };
	enum err e = pg_migrate(&s->boot, owner, str_of(s->def->name), dirs);
	return e == ERR_NONE ? 0 : 1;
}

static void on_hangup(void *arg, int signo)
{
	(void)signo;
	relink_start(arg);
}

/* ── drain on SIGTERM ── */

struct drain {
	struct service *service;
	struct timer *timer;
	bool server_done;
};

static void end(void *arg)
{
	loop_stop(((struct service *)arg)->loop);
}

static void drain_poll(void *arg)
{
	struct drain *d = arg;
	struct service *s = d->service;
	bool late = loop_now_ms(s->loop) > s->stop_by_ms;
	if (!late && (!d->server_done || !jobs_idle(s) || !purger_idle(s) || s->relink.running)) return;
	if (late) log_line(LOG_WARN, "drain took too long", "stopping anyway");
	timer_stop(d->timer);
	otlp_finish(s->otlp, end, s);
}

static void drain_server_done(void *arg)
{
	((struct drain *)arg)->server_done = true;
}

static void on_terminate(void *arg, int signo)
{
	struct drain *d = arg;
	struct service *s = d->service;
	(void)signo;
	if (s->draining) return;
	s->draining = true;
	s->stop_by_ms = loop_now_ms(s->loop) + DRAIN_MS_MAX;
	log_line(LOG_INFO, "draining", "no new connections");
	if (s->private_listener) private_listener_set_draining(s->private_listener);
	http_server_drain(s->server, drain_server_done, d);
	timer_start(d->timer, DRAIN_POLL_MS, DRAIN_POLL_MS);
}

static enum err listen_start(struct service *s)
{
	/* What the gateway lets through, and what it adds, fits. */
	struct http_server_config config = { .pipeline_max = 2048,
		.head_bytes_max = 48 * 1024,
		.target_bytes_max = 12 * 1024,
		.field_count_max = 160,
		.any_order = true,
		.body_bytes_max = BODY_BYTES_MAX,
		.arena_bytes_max = s->def->exchange_bytes_max,
		.on_head = request_head,
		.on_request = request_receive,
		.on_refused = request_refused,
		.on_finished = request_finished,
		.arg = s,
		.idle_timeout_ms = 600000,
		.require_host = true };
	struct str address = config_need(&s->boot, "YG_LISTEN");
	/* A TCP port is shared. Unix sockets lie side by side, so that who calls sees each worker and spreads the load himself: the
	 * few connections between our processes would all end up with whoever woke first. */
	if (str_starts(address, STR("unix:"))) address = private_listener_address(&s->boot, address, s->worker);
	return http_server_open(s->loop, address, true, &config, &s->server);
}

static enum err link_first(struct service *s, struct str conninfo)
{
	struct buf report;
	buf_init(&report, REPORT_BYTES_MAX);
	s->link = link_load(s, conninfo, &report);
	if (!s->link) report_print(&report);
	buf_free(&report);
	return s->link ? ERR_NONE : ERR_CONFIG;
}

static enum err service_open(struct service *s)
{
	struct str conninfo = config_need(&s->boot, "YG_PG");
	link_wait(conninfo);
	TRY(link_first(s, conninfo));
	s->link->users = 1; /* held by the service itself */
	s->loop = loop_new();
	struct pg_pool_config config = { .conninfo = conninfo,
		.application_name = s->def->name,
		.shared_lanes = (unsigned)config_int("YG_PG_SHARED", 2, 1, 64),
		.writer_lanes = (unsigned)config_int("YG_PG_WRITERS", 1, 1, 16),
		.exclusive_lanes = (unsigned)config_int("YG_PG_EXCLUSIVE", 4, 1, 16) };
	s->pool = pg_pool_new(s->loop, &config, &s->link->statements);
	s->relink.conninfo = conninfo;
	batches_make(s, s->link);
	return ERR_NONE;
}

static int serve(struct service *s)
{
	struct drain drain = { .service = s };
	if (service_open(s) != ERR_NONE || observe_start(s) != ERR_NONE) return EXIT_CONFIG;
	observe_link(s);
	struct otlp_config traces = { .loop = s->loop,
		.metrics = s->metrics,
		.service = str_of(s->def->name),
		.address = config_need(&s->boot, "YG_LISTEN") };
	if (otlp_open(&s->boot, &traces, &s->otlp) != ERR_NONE) return EXIT_CONFIG;
	if (purger_start(s) != ERR_NONE) return EXIT_CONFIG;
	if (s->def->start && s->def->start(s, &s->boot, &s->context) != ERR_NONE) return EXIT_CONFIG;
	drain.timer = timer_new(s->loop, drain_poll, &drain);
	if (listen_start(s) != ERR_NONE) return EXIT_CONFIG;
	signal_watch(s->loop, SIGTERM, on_terminate, &drain);
	signal_watch(s->loop, SIGINT, on_terminate, &drain);
	signal_watch(s->loop, SIGHUP, on_hangup, s);
	jobs_start(s);
	consumers_start(s);
	arena_trim();
	if (s->private_listener) private_listener_set_started(s->private_listener);
	log_line(LOG_INFO, "started", "%u operations", s->link->contract->operation_count);
	loop_run(s->loop);
	log_line(LOG_INFO, "stopped", "pid %d", (int)getpid());
	log_flush();
	/* What is left is only memory of this process; the kernel takes it back faster than we would. */
	return 0;
}

static struct service *serving; /* for the workers, which are told their number only */

static int serve_as(unsigned worker)
{
	serving->worker = worker;
	return serve(serving);
}

static int serve_all(struct service *s)
{
	unsigned workers = (unsigned)config_int("YG_WORKERS", 1, 1, WORKERS_MAX);
	if (workers == 1) return serve(s);
	serving = s;
	struct workers_hooks hooks = { .stopping = NULL };
	return workers_run(workers, serve_as, &hooks);
}

static const char *access_name(const struct operation *op)
{
	return op->access == ACCESS_PUBLIC ? "public" : op->access == ACCESS_INTERNAL ? "internal" : "token";
}

/* The audit: who may call what, with which rows, and what answers it. */
static void operations_print(const struct service *s)
{
	for (unsigned i = 0; i < s->link->contract->operation_count; i++) {
		const struct linked_operation *l = &s->link->operations[i];
		const struct operation *op = l->operation;
		static const char *const rows[] = { "all rows", "own rows", "organization" };
		printf("%-8.*s %-50.*s %-28.*s %-9s %-13s %s  ", STR_FMT(op->method), STR_FMT(op->path),
		    STR_FMT(op->id), access_name(op), rows[op->rows], l->flow ? "flow" : "sql ");
		for (unsigned k = 0; k < op->scope_count; k++) printf("%s%.*s", k ? " | " : "", STR_FMT(op->scopes[k]));
		putchar('\n');
	}
}

/* Every statement as PostgreSQL gets it, one JSON object per line: for the SQL tests, and for a look at plans. */
static void statements_print(struct service *s)
{
	for (unsigned i = 0; i < s->link->statements.count; i++) {
		const struct pg_statement *statement = s->link->statements.items[i];
		struct json_writer w;
		buf_reset(&s->scratch);
		json_write_init(&w, &s->scratch);
		json_begin_object(&w);
		json_put_member_str(&w, "name", statement->name);
		json_put_member_bool(&w, "batch", statement->batch_max > 0);
		json_put_member_bool(&w, "writes", statement->tx == TX_WRITE);
		json_put_member_str(&w, "sql", statement->sql);
		json_put_member_i64(&w, "parameters", statement->param_count);
		json_end_object(&w);
		printf("%.*s\n", STR_FMT(buf_view(&s->scratch)));
	}
}

static int check(struct service *s, const char *verb)
{
	if (link_first(s, config_need(&s->boot, "YG_PG")) != ERR_NONE) return EXIT_CONFIG;
	if (strcmp(verb, "operations") == 0)
		operations_print(s);
	else if (strcmp(verb, "statements") == 0)
		statements_print(s);
	else
		printf("%s: %u operations, %u statements, no drift\n", s->def->name, s->link->contract->operation_count,
		    s->link->statements.count);
	return 0;
}

int service_main(const struct service_def *def, int argc, char **argv)
{
	static struct service s;
	const char *verb = argc > 1 ? argv[1] : "serve";
	s = (struct service){ .def = def };
	signal(SIGPIPE, SIG_IGN);
	/* argon2 takes 19 MiB at a time: given back at once, instead of glibc keeping ever more of it. What a turn's answers take is not:
	 * the kernel would clear the same pages for the next turn. */
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	signal(SIGHUP,
	    SIG_IGN); /* until `serve` listens to it: a re-link must not end what is still starting, nor the relay */
	log_init(def->name, LOG_INFO);
	crypto_init();
	arena_init(&s.boot, 64 * 1024, BOOT_BYTES_MAX);
	buf_init(&s.scratch, 8 * 1024 * 1024);
	lru_init(&s.identities, IDENTITIES_MAX, IDENTITY_BYTES_MAX, sizeof(struct known_identity));
	lru_hash_end(&s.identities, 32); /* of its MAC: only what was opened is put */
	int status = EXIT_CONFIG;
	if (settings_read(&s) != ERR_NONE)
		log_line(LOG_ERROR, "cannot start", "settings");
	else if (strcmp(verb, "serve") == 0)
		status = serve_all(&s);
	else if (strcmp(verb, "relay") == 0)
		status = relay_main(&s);
	else if (strcmp(verb, "migrate") == 0)
		status = migrate(&s);
	else if (strcmp(verb, "check") == 0 || strcmp(verb, "operations") == 0 || strcmp(verb, "statements") == 0)
		status = check(&s, verb);
	else
		fprintf(stderr, "usage: %s [serve | relay | migrate | check | operations | statements]\n", argv[0]);
	log_flush();
	return status;
}
