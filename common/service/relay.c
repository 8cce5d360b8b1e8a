/*
 * The relay: committed outbox rows → a Redis Stream, in order, each once. PostgreSQL gives every committed event a position; the
 * position is the stream's entry id, so that publishing twice is refused by Redis itself. Redis may vanish, or come back empty:
 * the relay asks where the stream ends and goes on from there.
 */
#include "common/service/runtime.h"

#include <signal.h>
#include <stdio.h>

#include "common/cache/redis.h"
#include "common/core/config.h"
#include "common/core/log.h"

enum {
	RELAY_IDLE_MS = 200,
	RELAY_TROUBLE_MS = 1000,
	RELAY_DEADLINE_MS = 10000,
	RELAY_ARENA_BYTES_MAX = 8 * 1024 * 1024,
	EXIT_SETTINGS = 78,
	STREAM_LENGTH_MAX = 1000000
};

struct relay {
	struct service *service;
	struct redis *redis;
	struct timer *timer;
	struct arena arena; /* of one round */
	struct str stream;
	bool stream_known; /* `last` is what the stream ends with */
	int64_t last;
	int64_t highest; /* of this round */
	unsigned waiting; /* replies owed */
	bool refused;
	bool stopping;
	uint64_t *published_total;
};

static void round_start(void *arg);

static void round_end(struct relay *y, int64_t pause_ms)
{
	arena_reset(&y->arena);
	if (y->stopping)
		loop_stop(y->service->loop);
	else
		timer_start(y->timer, pause_ms, 0);
}

static enum err send_statements(
    struct relay *y, const char *const *names, unsigned count, const char *bind, int64_t value, pg_done *done)
{
	struct pg_call calls[2];
	struct pg_value *values = arena_array(&y->arena, count, sizeof *values);
	if (!values) return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++) {
		const struct pg_statement *s = pg_statement_find(&y->service->link->statements, str_of(names[i]));
		CHECK(s != NULL && s->param_count <= 1);
		if (bind) values[i].text = arena_printf(&y->arena, "%lld", (long long)value);
		calls[i] = (struct pg_call){ s, &values[i] };
	}
	int64_t deadline = loop_now_ms(y->service->loop) + RELAY_DEADLINE_MS;
	return pg_send(y->service->pool, PG_WRITE, calls, count, deadline, done, y);
}

static void marked(void *arg, const struct pg_outcome *o)
{
	struct relay *y = arg;
	if (o->err == ERR_NONE) y->last = y->highest;
	round_end(y, o->err == ERR_NONE ? 0 : RELAY_TROUBLE_MS);
}

static void entries_published(struct relay *y)
{
	const char *names[] = { "relay_published" };
	if (y->refused) { /* somebody else published these, or Redis refused: ask where the stream ends */
		y->stream_known = false;
		round_end(y, RELAY_TROUBLE_MS);
		return;
	}
	if (send_statements(y, names, 1, "relay.published", y->highest, marked) != ERR_NONE)
		round_end(y, RELAY_TROUBLE_MS);
}

static void entry_added(void *arg, enum err status, const struct redis_reply *reply)
{
	struct relay *y = arg;
	if (status != ERR_NONE || reply->type == REDIS_FAILED)
		y->refused = true;
	else
		++*y->published_total;
	if (--y->waiting == 0) entries_published(y);
}

static void publish_rows(struct relay *y, const struct pg_result *rows)
{
	static const char *const names[] = { "id", "type", "subject", "payload", "occurred_at" };
	char limit[16];
	snprintf(limit, sizeof limit, "%d", STREAM_LENGTH_MAX);
	y->refused = false;
	for (unsigned i = 0; i < pg_rows(rows); i++) {
		struct str args[6 + 2 * ARRAY_LEN(names)] = { STR("XADD"), y->stream, STR("MAXLEN"), STR("~"),
			str_of(limit) };
		unsigned n = 5;
		struct str position = pg_get(rows, i, 0);
		args[n++] = arena_printf(&y->arena, "%.*s-0", STR_FMT(position));
		for (size_t k = 0; k < ARRAY_LEN(names); k++) {
			args[n++] = str_of(names[k]);
			args[n++] = pg_get(rows, i, (unsigned)k + 1);
		}
		if (redis_send(y->redis, args, n, entry_added, y) != ERR_NONE) {
			y->refused = true;
			break;
		}
		y->waiting++;
		y->highest = pg_get_i64(rows, i, 0, y->highest);
	}
	if (y->waiting == 0) round_end(y, RELAY_TROUBLE_MS);
}

static void pending_read(void *arg, const struct pg_outcome *o)
{
	struct relay *y = arg;
	if (o->err != ERR_NONE)
		round_end(y, RELAY_TROUBLE_MS);
	else if (pg_rows(o->results[0]) == 0)
		round_end(y, RELAY_IDLE_MS);
	else
		publish_rows(y, o->results[0]);
}

static void assigned(void *arg, const struct pg_outcome *o)
{
	struct relay *y = arg;
	const char *names[] = { "relay_pending" };
	if (o->err != ERR_NONE || send_statements(y, names, 1, "relay.after", y->last, pending_read) != ERR_NONE)
		round_end(y, RELAY_TROUBLE_MS);
}

static void assign(struct relay *y)
{
	const char *names[] = { "relay_lock", "relay_assign" };
	if (send_statements(y, names, 2, NULL, 0, assigned) != ERR_NONE) round_end(y, RELAY_TROUBLE_MS);
}

/* XREVRANGE stream + - COUNT 1 → where the stream ends; 0 when it is empty. */
static void stream_end_read(void *arg, enum err status, const struct redis_reply *reply)
{
	struct relay *y = arg;
	if (status != ERR_NONE || reply->type == REDIS_FAILED) {
		round_end(y, RELAY_TROUBLE_MS);
		return;
	}
	struct str id = STR("0-0"), first;
	if (reply->item_count && reply->items[0].item_count) id = reply->items[0].items[0].text;
	y->stream_known = str_cut(&id, '-', &first) && str_to_i64(first, &y->last);
	log_line(LOG_INFO, "relay goes on", "after position %lld", (long long)y->last);
	if (y->stream_known)
		assign(y);
	else
		round_end(y, RELAY_TROUBLE_MS);
}

static void round_start(void *arg)
{
	struct relay *y = arg;
	const struct str end[] = { STR("XREVRANGE"), y->stream, STR("+"), STR("-"), STR("COUNT"), STR("1") };
	if (!redis_connected(y->redis)) y->stream_known = false; /* it may come back empty */
	if (!redis_connected(y->redis) || !pg_pool_ready(y->service->pool))
		round_end(y, RELAY_IDLE_MS);
	else if (y->stream_known)
		assign(y);
	else if (redis_send(y->redis, end, ARRAY_LEN(end), stream_end_read, y) != ERR_NONE)
		round_end(y, RELAY_TROUBLE_MS);
}

static void relay_terminate(void *arg, int signo)
{
	(void)signo;
	((struct relay *)arg)->stopping = true;
}

static enum health check_redis(void *arg, struct buf *output)
{
	const struct relay *y = arg;
	if (redis_connected(y->redis)) return HEALTH_PASS;
	BUF_LIT(output, "Redis is not reachable; events wait in the outbox");
	return HEALTH_WARN;
}

int relay_main(struct service *s)
{
	static struct relay y;
	struct buf report;
	y = (struct relay){ .service = s };
	buf_init(&report, 64 * 1024);
	s->link = link_load(s, config_need(&s->boot, "YG_PG"), &report);
	if (!s->link) {
		fprintf(stderr, "%.*s", STR_FMT(buf_view(&report)));
		return EXIT_SETTINGS;
	}
	s->loop = loop_new();
	struct pg_pool_config config = {
		.conninfo = config_need(&s->boot, "YG_PG"), .shared_lanes = 1, .application_name = "relay"
	};
	s->pool = pg_pool_new(s->loop, &config, &s->link->statements);
	if (observe_start(s) != ERR_NONE) return EXIT_SETTINGS;
	struct redis_config redis = { .address = config_need(&s->boot, "YG_REDIS"), .command_timeout_ms = 2000 };
	y.redis = redis_new(s->loop, &redis);
	y.stream = arena_printf(&s->boot, "events:%s", s->def->name);
	y.published_total =
	    metrics_counter(s->metrics, "yg_relay_published_total", "Events written to the stream.", NULL, 0);
	arena_init(&y.arena, 16 * 1024, RELAY_ARENA_BYTES_MAX);
	y.timer = timer_new(s->loop, round_start, &y);
	timer_start(y.timer, 0, 0);
	signal_watch(s->loop, SIGTERM, relay_terminate, &y);
	signal_watch(s->loop, SIGINT, relay_terminate, &y);
	if (s->private_listener) {
		private_listener_add_check(s->private_listener, STR("redis:connections"), check_redis, &y);
		private_listener_set_started(s->private_listener);
	}
	loop_run(s->loop);
	return 0;
}
