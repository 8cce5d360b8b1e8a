/*
 * The relay: committed outbox rows → a Redis Stream, in order, each once. PostgreSQL gives every committed event a position; the
 * position is the stream's entry id, and a script publishes only behind the end we know. Redis may vanish, or come back empty: the
 * relay asks where the stream ends and goes on from there.
 */
#include "common/service/runtime.h"

#include <signal.h>
#include <stdio.h>

#include "common/cache/redis.h"
#include "common/core/config.h"
#include "common/core/id.h"
#include "common/core/log.h"

enum {
	RELAY_IDLE_MS = 200,
	RELAY_GATHER_MS =
	    50, /* after a slice that was not full: a round costs two commits, however many events it carries */
	RELAY_TROUBLE_MS = 1000,
	RELAY_DEADLINE_MS = 10000,
	RELAY_ARENA_BYTES_MAX = 8 * 1024 * 1024,
	ASK_AGAIN_ROUNDS = 10, /* idle rounds after which Redis is asked whether the stream is still ours */
	ENTRIES_MAX = 500, /* `limit` of relay_pending.sql */
	ENTRY_ARGS = 8, /* columns of relay_pending.sql */
	LEAF_COLUMN = 7,
	FULL_MS = 1000,
	SLICE_BYTES_MAX = 1024 * 1024,
	EXIT_SETTINGS = 78
};

/*
 * KEYS: the stream. ARGV: where it must end, its greatest length, then position, id, type, subject, payload, time, previous position
 * and leaf ('' for none) of each event. Answers with the position at which the stream ends now and the one that every consumer has
 * reached (its group's; nil when there is none). Nothing is added unless the stream ended where we thought: so a second relay, an
 * emptied or an older Redis are noticed before they do harm, and since a script is not interrupted, a refusal in the middle (memory)
 * leaves no gap behind it. What was trimmed away still counts (last-generated-id). What consumers have not taken is not trimmed: a
 * stream that is full of it takes nothing, and events wait in the outbox.
 */
static const char publish_script[] =
    "local last, slow = '0', false "
    "local length, most = 0, tonumber(ARGV[2]) "
    "if redis.call('EXISTS', KEYS[1]) == 1 then "
    "  local info = redis.call('XINFO', 'STREAM', KEYS[1]) "
    "  for i = 1, #info, 2 do "
    "    if info[i] == 'last-generated-id' then last = string.match(info[i + 1], '^%d+') end "
    "    if info[i] == 'length' then length = info[i + 1] end "
    "  end "
    "  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do "
    "    for i = 1, #group, 2 do "
    "      if group[i] == 'last-delivered-id' then "
    "        local at = tonumber(string.match(group[i + 1], '^%d+')) "
    "        if not slow or at < slow then slow = at end "
    "      end "
    "    end "
    "  end "
    "end "
    "local reached = slow and string.format('%.0f', slow) "
    "if slow and length > most / 10 then "
    "  redis.call('XTRIM', KEYS[1], 'MINID', '~', reached .. '-0') "
    "  length = redis.call('XLEN', KEYS[1]) "
    "end "
    "if last ~= ARGV[1] or (slow and length >= most) then return {last, reached} end "
    "local call, key = redis.call, KEYS[1] "
    "for i = 3, #ARGV, 8 do " /* written out twice: tables of words cost as much again as the stream itself */
    "  if ARGV[i + 7] ~= '' then "
    "    call('XADD', key, ARGV[i] .. '-0', 'id', ARGV[i + 1], 'type', ARGV[i + 2], 'subject', ARGV[i + 3], "
    "      'payload', ARGV[i + 4], 'occurred_at', ARGV[i + 5], 'previous', ARGV[i + 6], 'leaf', ARGV[i + 7]) "
    "  else "
    "    call('XADD', key, ARGV[i] .. '-0', 'id', ARGV[i + 1], 'type', ARGV[i + 2], 'subject', ARGV[i + 3], "
    "      'payload', ARGV[i + 4], 'occurred_at', ARGV[i + 5], 'previous', ARGV[i + 6]) "
    "  end "
    "  last = ARGV[i] "
    "end "
    "if not slow and #ARGV > 2 then call('XTRIM', key, 'MAXLEN', '~', ARGV[2]) end "
    "return {last, reached}";
static const char stream_length_max[] = "1000000";

struct relay {
	struct service *service;
	struct redis *redis;
	struct timer *timer;
	struct arena arena; /* of one round */
	struct str stream;
	bool stream_known; /* `last` is what the stream ends with */
	int64_t last;
	int64_t highest; /* of this round */
	unsigned sent; /* events of this round */
	unsigned idle_rounds;
	bool stopping;
	int64_t confirmed,
	    stored; /* what all consumers have taken (-1: there are none), and what relay_state says of it */
	bool full; /* consumers are so far behind that the stream takes nothing */
	int64_t oldest_s; /* age of the oldest event that waits */
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

struct statement_call {
	const char *name;
	int64_t value; /* of its only parameter, if it has one */
};

static enum err send_statements(struct relay *y, const struct statement_call *wanted, unsigned count, pg_done *done)
{
	struct pg_call calls[3];
	struct pg_value *values = arena_array(&y->arena, 2 * (size_t)count, sizeof *values);
	if (!values) return ERR_MEMORY;
	for (unsigned i = 0; i < count; i++) {
		const struct pg_statement *s = pg_statement_find(&y->service->link->statements, str_of(wanted[i].name));
		CHECK(s != NULL && s->param_count <= 1);
		values[i].text = arena_printf(&y->arena, "%lld", (long long)wanted[i].value);
		calls[i] = (struct pg_call){ s, &values[i] };
	}
	int64_t deadline = loop_now_ms(y->service->loop) + RELAY_DEADLINE_MS;
	return pg_send(y->service->pool, PG_WRITE, calls, count, deadline, done, y);
}

static void marked(void *arg, const struct pg_outcome *o)
{
	struct relay *y = arg;
	if (o->err == ERR_NONE) y->stored = y->confirmed;
	int64_t pause_ms = y->sent < ENTRIES_MAX ? RELAY_GATHER_MS : 0;
	round_end(y, o->err == ERR_NONE ? pause_ms : RELAY_TROUBLE_MS);
}

/* What is known of the stream and of its consumers goes to relay_state; what is known already is not written again. */
static void mark(struct relay *y, int64_t end)
{
	struct statement_call calls[2];
	unsigned count = 0;
	if (y->sent) calls[count++] = (struct statement_call){ "relay_published", end };
	if (y->confirmed > y->stored) calls[count++] = (struct statement_call){ "relay_confirmed", y->confirmed };
	if (!count)
		round_end(y, 0);
	else if (send_statements(y, calls, count, marked) != ERR_NONE)
		round_end(y, RELAY_TROUBLE_MS);
}

/* The script's answer: where the stream ends, and how far its consumers are. */
static void entries_published(void *arg, enum err status, const struct redis_reply *reply)
{
	struct relay *y = arg;
	int64_t end;
	bool good = status == ERR_NONE && reply->type == REDIS_ARRAY && reply->item_count >= 1 &&
		    reply->items[0].type == REDIS_STRING && str_to_i64(reply->items[0].text, &end);
	if (!good) {
		if (status == ERR_NONE) log_line(LOG_WARN, "Redis refused events", "%.*s", STR_FMT(reply->text));
		y->stream_known = false; /* whether they were written is unknown: ask */
		round_end(y, RELAY_TROUBLE_MS);
		return;
	}
	y->confirmed = -1;
	if (reply->item_count > 1 && reply->items[1].type == REDIS_STRING &&
	    !str_to_i64(reply->items[1].text, &y->confirmed))
		y->confirmed = -1;
	bool agreed = end == y->highest, refused = !agreed && y->sent && y->stream_known && end == y->last;
	if (refused && !y->full)
		log_line(LOG_WARN, "the stream is full", "consumers are at %lld", (long long)y->confirmed);
	y->full = refused;
	if (!agreed && end != y->last) log_line(LOG_INFO, "relay goes on", "after position %lld", (long long)end);
	y->stream_known = true;
	y->last = end;
	if (agreed)
		*y->published_total += y->sent;
	else
		y->sent = 0;
	if (refused)
		round_end(y, FULL_MS);
	else
		mark(y, end);
}

/* From hexadecimal; '' when the event is no leaf. */
static struct str leaf_bytes(struct relay *y, struct str hex)
{
	size_t n = hex.n / 2;
	char *bytes = n ? arena_alloc(&y->arena, n) : NULL;
	if (!bytes) return STR("");
	CHECK(id_unhex(hex, bytes, n));
	return str_span(bytes, n);
}

/* With no rows (NULL) it only asks. */
static void publish(struct relay *y, const struct pg_result *rows)
{
	static const char *const commands[] = { "EVAL", publish_script, "1" };
	unsigned n = ARRAY_LEN(commands), count = rows ? pg_rows(rows) : 0;
	if (count > ENTRIES_MAX) count = ENTRIES_MAX;
	struct str *args = arena_array(&y->arena, n + 3 + (size_t)count * ENTRY_ARGS, sizeof *args);
	if (!args) {
		round_end(y, RELAY_TROUBLE_MS);
		return;
	}
	for (unsigned i = 0; i < n; i++) args[i] = str_of(commands[i]);
	args[n++] = y->stream;
	args[n++] = y->stream_known ? arena_printf(&y->arena, "%lld", (long long)y->last) : STR("?");
	args[n++] = str_of(stream_length_max);
	size_t bytes = 0;
	y->highest = y->stream_known ? y->last : -1;
	for (y->sent = 0; y->sent < count && (y->sent == 0 || bytes < SLICE_BYTES_MAX); y->sent++) {
		for (unsigned k = 0; k < ENTRY_ARGS; k++) {
			args[n] = k == LEAF_COLUMN ? leaf_bytes(y, pg_get(rows, y->sent, k)) : pg_get(rows, y->sent, k);
			bytes += args[n++].n;
		}
		y->highest = pg_get_i64(rows, y->sent, 0, -1);
	}
	if (y->arena.overflow || redis_send(y->redis, args, n, entries_published, y) != ERR_NONE)
		round_end(y, RELAY_TROUBLE_MS);
}

static void rest(struct relay *y)
{
	if (++y->idle_rounds % ASK_AGAIN_ROUNDS == 0) y->stream_known = false;
	round_end(y, RELAY_IDLE_MS);
}

static void pending_read(void *arg, const struct pg_outcome *o)
{
	struct relay *y = arg;
	if (o->err != ERR_NONE) {
		round_end(y, RELAY_TROUBLE_MS);
	} else if (pg_rows(o->results[0])) {
		y->idle_rounds = 0;
		publish(y, o->results[0]);
	} else {
		rest(y);
	}
}

static void assigned(void *arg, const struct pg_outcome *o)
{
	struct relay *y = arg;
	struct statement_call call = { "relay_pending", y->last };
	if (o->err == ERR_NONE) y->oldest_s = pg_get_i64(o->results[2], 0, 2, 0);
	if (o->err != ERR_NONE || send_statements(y, &call, 1, pending_read) != ERR_NONE)
		round_end(y, RELAY_TROUBLE_MS);
}

static void assign(struct relay *y)
{
	struct statement_call calls[] = { { "relay_lock", 0 }, { "relay_assign", y->last }, { "relay_state", 0 } };
	if (send_statements(y, calls, ARRAY_LEN(calls), assigned) != ERR_NONE) round_end(y, RELAY_TROUBLE_MS);
}

static void looked(void *arg, const struct pg_outcome *o)
{
	struct relay *y = arg;
	if (o->err != ERR_NONE) {
		round_end(y, RELAY_TROUBLE_MS);
	} else if (pg_get_i64(o->results[0], 0, 0, 1)) {
		assign(y);
	} else {
		y->oldest_s = 0;
		rest(y);
	}
}

/* Where nothing happened lately, a glance comes before the five statements of a whole round. */
static void look(struct relay *y)
{
	struct statement_call call = { "relay_due", y->last };
	if (send_statements(y, &call, 1, looked) != ERR_NONE) round_end(y, RELAY_TROUBLE_MS);
}

static void round_start(void *arg)
{
	struct relay *y = arg;
	if (!redis_connected(y->redis)) y->stream_known = false; /* it may come back empty */
	if (!redis_connected(y->redis) || !pg_pool_ready(y->service->pool))
		round_end(y, RELAY_IDLE_MS);
	else if (y->stream_known && y->idle_rounds)
		look(y);
	else if (y->stream_known)
		assign(y);
	else
		publish(y, NULL);
}

static double read_oldest(void *arg)
{
	return (double)((struct relay *)arg)->oldest_s;
}

static double read_full(void *arg)
{
	return ((struct relay *)arg)->full;
}

static void relay_terminate(void *arg, int signo)
{
	(void)signo;
	((struct relay *)arg)->stopping = true;
}

static enum health check_redis(void *arg, struct health_note *note)
{
	struct relay *y = arg;
	note->value = (int64_t)read_oldest(y);
	note->unit = "s"; /* the oldest event that waits */
	if (redis_connected(y->redis)) return HEALTH_PASS;
	BUF_LIT(&note->output, "Redis is not reachable; events wait in the outbox");
	return HEALTH_WARN;
}

int relay_main(struct service *s)
{
	static struct relay y;
	struct buf report;
	y = (struct relay){ .service = s, .last = -1, .confirmed = -1, .stored = -1 };
	buf_init(&report, 64 * 1024);
	link_wait(config_need(&s->boot, "YG_PG"));
	s->link = link_load_runtime(s, config_need(&s->boot, "YG_PG"), &report);
	if (!s->link) {
		fprintf(stderr, "%.*s", STR_FMT(buf_view(&report)));
		return EXIT_SETTINGS;
	}
	s->loop = loop_new();
	/* The outbox is empty when the first plan is made and long a moment later: plan by what is there. */
	struct str conninfo = arena_printf(
	    &s->boot, "%.*s options='-c plan_cache_mode=force_custom_plan'", STR_FMT(config_need(&s->boot, "YG_PG")));
	struct pg_pool_config config = { .conninfo = conninfo, .shared_lanes = 1, .application_name = "relay" };
	s->pool = pg_pool_new(s->loop, &config, &s->link->statements);
	if (observe_start(s) != ERR_NONE) return EXIT_SETTINGS;
	struct redis_config redis = { .address = config_need(&s->boot, "YG_REDIS"), .command_timeout_ms = 2000 };
	y.redis = redis_new(s->loop, &redis);
	y.stream = arena_printf(&s->boot, "events:%s", s->def->name);
	y.published_total =
	    metrics_counter(s->metrics, "yg_relay_published_total", "Events written to the stream.", NULL, 0);
	metrics_gauge_fn(s->metrics, "yg_relay_full",
	    "1 while the stream is full of events that a consumer has not taken: they wait in the outbox.", NULL, 0,
	    read_full, &y);
	metrics_gauge_fn(s->metrics, "yg_relay_oldest_seconds",
	    "Age of the oldest event that is not in the stream yet.", NULL, 0, read_oldest, &y);
	arena_init(&y.arena, 16 * 1024, RELAY_ARENA_BYTES_MAX);
	y.timer = timer_new(s->loop, round_start, &y);
	timer_start(y.timer, 0, 0);
	signal_watch(s->loop, SIGTERM, relay_terminate, &y);
	signal_watch(s->loop, SIGINT, relay_terminate, &y);
	if (s->private_listener) {
		private_listener_add_check(s->private_listener, STR("redis:connections"), "datastore", check_redis, &y);
		private_listener_set_started(s->private_listener);
	}
	arena_trim();
	loop_run(s->loop);
	return 0;
}
