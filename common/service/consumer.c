/*
 * The consumer: another service's stream → our inbox, in order, each event once, those that have no effect here left out
 * (inbox_wants). Where we stand is in our database only, and moves in
 * the transaction of the effects (triggers on `inbox`), so a crash at any point repeats or loses nothing, and any number of processes
 * may take at once. Every entry says which one was before it: a stream that was trimmed, emptied or is older shows, nothing is skipped.
 * At a gap the stream is deleted, upon which the relay fills it again from the outbox, which keeps what we have not confirmed. We
 * confirm by a consumer group whose position follows ours; nothing else is asked of it.
 */
#include "common/service/runtime.h"

#include <stdlib.h>

#include "common/cache/redis.h"
#include "common/core/config.h"
#include "common/core/id.h"
#include "common/core/log.h"

enum {
	CONSUMER_IDLE_MS = 100,
	CONSUMER_TROUBLE_MS = 1000,
	CONSUMER_DEADLINE_MS = 10000,
	REDIS_TIMEOUT_MS = 2000,
	REFILL_EVERY_MS = 30000, /* a relay needs a moment to notice and to fill */
	CONSUMER_ARENA_BYTES_MAX = 32 * 1024 * 1024,
	ENTRIES_BYTES_MAX = 8 * 1024 * 1024
};
/* Together they stay far below REDIS_REPLY_BYTES_MAX: what comes after the bytes is left for the next round. */
static const char entries_max[] = "200", slice_bytes_max[] = "1048576";

/* KEYS: the stream. ARGV: where we stand, our group, entries and bytes that we take. Commands that a full Redis refuses are avoided. */
static const char read_script[] =
    "if redis.call('EXISTS', KEYS[1]) == 0 then return {} end "
    "local known = redis.pcall('XGROUP', 'SETID', KEYS[1], ARGV[2], ARGV[1] .. '-0') "
    "if known.err then redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[2], ARGV[1] .. '-0') end "
    "local out, bytes = {}, 0 "
    "for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1] .. '-1', '+', 'COUNT', ARGV[3])) do "
    "  for _, text in ipairs(entry[2]) do bytes = bytes + #text end "
    "  if #out > 0 and bytes > tonumber(ARGV[4]) then break end "
    "  out[#out + 1] = entry "
    "end "
    "return out";

struct consumer {
	struct service *service;
	struct redis *redis;
	struct timer *timer;
	struct arena arena; /* of one round */
	struct buf entries;
	struct str name, key; /* the service whose stream it is; the stream's key */
	int64_t position;
	bool position_known;
	int64_t refill_ms; /* when the stream was last deleted */
	bool gap;
	bool refused; /* the last entries read were not taken: the database refuses one */
	uint64_t *taken_total;
};

static void round_start(void *arg);

static void round_end(struct consumer *c, int64_t pause_ms)
{
	arena_reset(&c->arena);
	buf_reset(&c->entries);
	if (!c->service->draining) timer_start(c->timer, pause_ms, 0);
}

static void trouble(struct consumer *c)
{
	c->position_known = false;
	round_end(c, CONSUMER_TROUBLE_MS);
}

static const struct pg_statement *statement(const struct consumer *c, const char *name)
{
	const struct pg_statement *s = pg_statement_find(&c->service->link->statements, str_of(name));
	CHECK(s != NULL);
	return s;
}

/* ── a gap ── */

static void refill_asked(void *arg, enum err status, const struct redis_reply *reply)
{
	(void)status;
	(void)reply;
	round_end(arg, CONSUMER_TROUBLE_MS);
}

static void refill(struct consumer *c)
{
	int64_t now = loop_now_ms(c->service->loop);
	struct str words[] = { STR("DEL"), c->key };
	if (!c->gap)
		log_line(LOG_ERROR, "event missing", "%.*s after %lld: to be filled again from the outbox",
		    STR_FMT(c->key), (long long)c->position);
	c->gap = true;
	bool due = !c->refill_ms || now - c->refill_ms >= REFILL_EVERY_MS;
	if (due) c->refill_ms = now;
	if (!due || redis_send(c->redis, words, ARRAY_LEN(words), refill_asked, c) != ERR_NONE)
		round_end(c, CONSUMER_TROUBLE_MS);
}

/* ── a round ── */

static void taken(void *arg, const struct pg_outcome *o)
{
	struct consumer *c = arg;
	if (o->err != ERR_NONE || pg_rows(o->results[0]) != 1) {
		log_line(LOG_WARN, "events not taken", "%.*s after %lld: %s %.*s", STR_FMT(c->key),
		    (long long)c->position, err_info(o->err)->name, STR_FMT(o->message));
		c->refused = true;
		trouble(c);
		return;
	}
	c->refused = false;
	c->position = pg_get_i64(o->results[0], 0, 0, c->position);
	*c->taken_total += (uint64_t)pg_get_i64(o->results[0], 0, 2, 0);
	if (str_eq(pg_get(o->results[0], 0, 1), STR("t"))) {
		refill(c);
		return;
	}
	c->gap = false;
	round_end(c, 0);
}

static void take(struct consumer *c)
{
	struct pg_value values[2];
	struct pg_call call = { statement(c, "inbox_take"), values };
	for (unsigned i = 0; i < call.statement->param_count && i < ARRAY_LEN(values); i++)
		values[i].text =
		    str_eq(call.statement->params[i].name, STR("relay.stream")) ? c->name : buf_view(&c->entries);
	int64_t deadline = loop_now_ms(c->service->loop) + CONSUMER_DEADLINE_MS;
	if (pg_send(c->service->pool, PG_WRITE, &call, 1, deadline, taken, c) != ERR_NONE) trouble(c);
}

static void put_leaf(struct consumer *c, struct json_writer *w, struct str leaf)
{
	char *hex = arena_alloc(&c->arena, 2 * leaf.n + 1);
	if (!hex) return;
	id_hex(leaf.p, leaf.n, hex);
	json_put_member_str(w, "leaf", str_span(hex, 2 * leaf.n));
}

/* One entry: its id is "<position>-0", its fields are those that the relay writes. */
static bool put_entry(struct consumer *c, struct json_writer *w, const struct redis_reply *entry)
{
	if (entry->type != REDIS_ARRAY || entry->item_count != 2 || entry->items[1].type != REDIS_ARRAY) return false;
	struct str position = entry->items[0].text;
	const struct redis_reply *fields = &entry->items[1];
	if (!str_ends(position, STR("-0"))) return false;
	json_begin_object(w);
	json_put_member_str(w, "position", str_span(position.p, position.n - 2));
	for (unsigned i = 0; i + 1 < fields->item_count; i += 2) {
		struct str name = fields->items[i].text, value = fields->items[i + 1].text;
		if (str_eq(name, STR("leaf"))) {
			put_leaf(c, w, value);
			continue;
		}
		json_put_key(w, name);
		json_put_str(w, value);
	}
	json_end_object(w);
	return true;
}

static void entries_read(void *arg, enum err status, const struct redis_reply *reply)
{
	struct consumer *c = arg;
	struct json_writer w;
	if (status != ERR_NONE || reply->type != REDIS_ARRAY) {
		if (status == ERR_NONE)
			log_line(LOG_WARN, "stream not read", "%.*s: %.*s", STR_FMT(c->key), STR_FMT(reply->text));
		trouble(c);
		return;
	}
	if (reply->item_count == 0) {
		round_end(c, CONSUMER_IDLE_MS);
		return;
	}
	json_write_init(&w, &c->entries);
	json_begin_array(&w);
	bool good = true;
	for (unsigned i = 0; good && i < reply->item_count; i++) good = put_entry(c, &w, &reply->items[i]);
	json_end_array(&w);
	if (good && buf_ok(&c->entries) && !c->arena.overflow) {
		take(c);
		return;
	}
	log_line(LOG_ERROR, "entry not understood", "%.*s after %lld", STR_FMT(c->key), (long long)c->position);
	trouble(c);
}

static void read_entries(struct consumer *c)
{
	struct str args[] = { c->key, arena_printf(&c->arena, "%lld", (long long)c->position),
		str_of(c->service->def->name), str_of(entries_max), str_of(slice_bytes_max) };
	if (redis_run(c->redis, str_of(read_script), args, 1, ARRAY_LEN(args), entries_read, c) != ERR_NONE) trouble(c);
}

static void position_read(void *arg, const struct pg_outcome *o)
{
	struct consumer *c = arg;
	if (o->err != ERR_NONE) {
		trouble(c);
		return;
	}
	c->position = pg_get_i64(o->results[0], 0, 0, 0);
	c->position_known = true;
	read_entries(c);
}

static void round_start(void *arg)
{
	struct consumer *c = arg;
	struct service *s = c->service;
	if (s->draining) return;
	if (!redis_connected(c->redis) || !pg_pool_ready(s->pool)) {
		c->position_known = false;
		round_end(c, CONSUMER_IDLE_MS);
	} else if (c->position_known) {
		read_entries(c);
	} else {
		struct pg_value value = { c->name };
		struct pg_call call = { statement(c, "consumer_position"), &value };
		int64_t deadline = loop_now_ms(s->loop) + CONSUMER_DEADLINE_MS;
		if (pg_send(s->pool, PG_READ, &call, 1, deadline, position_read, c) != ERR_NONE) trouble(c);
	}
}

/* ── */

static double read_gap(void *arg)
{
	return ((struct consumer *)arg)->gap;
}

static double read_refused(void *arg)
{
	return ((struct consumer *)arg)->refused;
}

static double read_position(void *arg)
{
	return (double)((struct consumer *)arg)->position;
}

static void consumer_add(struct service *s, const char *name)
{
	struct consumer *c = calloc(1, sizeof *c);
	CHECK(c != NULL);
	*c = (struct consumer){ .service = s, .name = str_of(name) };
	c->key = arena_printf(&s->boot, "events:%s", name);
	struct redis_config config = { .address = config_need(&s->boot, "YG_REDIS"),
		.command_timeout_ms = REDIS_TIMEOUT_MS };
	c->redis = redis_new(s->loop, &config);
	arena_init(&c->arena, 16 * 1024, CONSUMER_ARENA_BYTES_MAX);
	buf_init(&c->entries, ENTRIES_BYTES_MAX);
	struct metric_label label = { "stream", c->name };
	c->taken_total =
	    metrics_counter(s->metrics, "yg_consumer_taken_total", "Events taken from a stream.", &label, 1);
	metrics_gauge_fn(s->metrics, "yg_consumer_gap",
	    "1 while an event is missing in the stream: nothing is taken until it is back.", &label, 1, read_gap, c);
	metrics_gauge_fn(s->metrics, "yg_consumer_refused",
	    "1 while the database does not take the next events of a stream.", &label, 1, read_refused, c);
	metrics_gauge_fn(s->metrics, "yg_consumer_position",
	    "Position of the last event taken, as this process knows it.", &label, 1, read_position, c);
	c->timer = timer_new(s->loop, round_start, c);
	timer_start(c->timer, CONSUMER_IDLE_MS, 0);
}

void consumers_start(struct service *s)
{
	for (unsigned i = 0; i < s->def->consumes_count; i++) consumer_add(s, s->def->consumes[i]);
}
