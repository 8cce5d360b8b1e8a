/* The Redis client's life: connect, greet, send, time out, lose, wait, connect again. Replies are parsed in redis_reader.c,
 * scripts are in redis_script.c, subscriptions in redis_subscribe.c. Invariant: a command is in exactly one of the lists sent, ready and spare. */
#include "common/cache/redis_link.h"

#include <stdlib.h>

#include "common/core/id.h"
#include "common/core/log.h"

enum { BACKOFF_FIRST_MS = 50, BACKOFF_MOST_MS = 5000, OUT_BYTES_MAX = 8 * 1024 * 1024, REPLY_FIRST_BYTES = 256 };

static void begin_connect(struct redis *r);

bool redis_is_subscriber(const struct redis *r)
{
	return r->channel.p != NULL;
}

bool redis_connected(const struct redis *r)
{
	return r->state == REDIS_UP;
}

/* ---- commands ---- */

static struct redis_command *command_take(struct redis *r)
{
	struct list *item = list_shift(&r->spare);
	if (item) return CONTAINER_OF(item, struct redis_command, link);
	struct redis_command *c = calloc(1, sizeof *c);
	CHECK(c != NULL);
	arena_init(&c->arena, REPLY_FIRST_BYTES, REDIS_REPLY_BYTES_MAX);
	list_init(&c->link);
	return c;
}

static void command_send(struct redis *r, redis_done *done, void *arg)
{
	struct redis_command *c = command_take(r);
	c->done = done;
	c->arg = arg;
	c->reply = NULL;
	c->script = NULL;
	c->args = NULL;
	c->deadline_ms = loop_now_ms(r->loop) + r->config.command_timeout_ms;
	if (r->state == REDIS_UP && list_empty(&r->sent)) timer_start(r->timer, r->config.command_timeout_ms, 0);
	list_push(&r->sent, &c->link);
	r->waiting++;
}

static void command_end(struct redis *r, struct redis_command *c, enum err status)
{
	c->status = status;
	list_remove(&c->link);
	list_push(&r->ready, &c->link);
	loop_push(r->loop, PHASE_RUN, &r->run_task);
}

static void put_bulk(struct buf *b, struct str s)
{
	buf_char(b, '$');
	buf_i64(b, (int64_t)s.n);
	BUF_LIT(b, "\r\n");
	buf_str(b, s);
	BUF_LIT(b, "\r\n");
}

bool redis_write_command(struct redis *r, const struct str *args, unsigned count)
{
	size_t need = 32;
	for (unsigned i = 0; i < count; i++) {
		if (args[i].n > OUT_BYTES_MAX) return false;
		need += args[i].n + 32;
		if (need > OUT_BYTES_MAX - r->out.n) return false;
	}
	buf_char(&r->out, '*');
	buf_i64(&r->out, count);
	BUF_LIT(&r->out, "\r\n");
	for (unsigned i = 0; i < count; i++) put_bulk(&r->out, args[i]);
	loop_push(r->loop, PHASE_UPSTREAM, &r->flush_task);
	return true;
}

enum err redis_send(struct redis *r, const struct str *args, unsigned count, redis_done *done, void *arg)
{
	CHECK(count > 0 && done && !redis_is_subscriber(r));
	if (r->state != REDIS_UP) return ERR_UNAVAILABLE;
	if (r->waiting >= r->config.queue_max || !redis_write_command(r, args, count)) return ERR_BUSY;
	command_send(r, done, arg);
	return ERR_NONE;
}

struct redis_command *redis_last_command(struct redis *r)
{
	return CONTAINER_OF(r->sent.prev, struct redis_command, link);
}

static void on_flush(struct loop_task *task)
{
	struct redis *r = CONTAINER_OF(task, struct redis, flush_task);
	if (!r->link || !r->link->open || r->out.n == 0) return;
	if (stream_write_buf(r->link->stream, &r->out) != ERR_NONE) redis_drop(r, ERR_UNAVAILABLE, "cannot write");
}

/* A callback may send, or free this client: what is left here stays valid until PHASE_LAST. */
static void on_run(struct loop_task *task)
{
	struct redis *r = CONTAINER_OF(task, struct redis, run_task);
	struct list *item;
	while ((item = list_shift(&r->ready))) {
		struct redis_command *c = CONTAINER_OF(item, struct redis_command, link);
		r->waiting--;
		if (c->done) c->done(c->arg, c->status, c->status == ERR_NONE ? c->reply : NULL);
		arena_reset(&c->arena);
		list_push(&r->spare, &c->link);
	}
	if (redis_is_subscriber(r)) redis_subscriber_run(r);
}

/* ---- connection ---- */

/* Half fixed, half random, so that many processes do not come back at the same moment. */
static int64_t next_delay_ms(struct redis *r)
{
	uint16_t random;
	id_random(&random, sizeof random);
	int64_t half = r->backoff_ms / 2, delay = half + half * random / UINT16_MAX;
	r->backoff_ms = r->backoff_ms * 2 < BACKOFF_MOST_MS ? r->backoff_ms * 2 : BACKOFF_MOST_MS;
	return delay;
}

static void link_detach(struct redis *r)
{
	struct redis_link *link = r->link;
	if (!link) return;
	r->link = NULL;
	link->owner = NULL;
	stream_abort(link->stream);
}

static void end_all(struct redis *r, enum err status)
{
	struct list *item;
	while ((item = list_first(&r->sent))) command_end(r, CONTAINER_OF(item, struct redis_command, link), status);
	buf_reset(&r->out);
	arena_reset(&r->inbox); /* half a message */
	r->late = false;
}

void redis_drop(struct redis *r, enum err status, const char *why)
{
	if (r->state == REDIS_FREED || r->state == REDIS_DOWN) return;
	if (!r->told_down) log_line(LOG_WARN, "redis lost", "%.*s: %s", STR_FMT(r->config.address), why);
	r->told_down = true;
	if (redis_is_subscriber(r) && r->state == REDIS_UP) {
		r->lost_due = true;
		loop_push(r->loop, PHASE_RUN, &r->run_task);
	}
	r->state = REDIS_DOWN;
	link_detach(r);
	end_all(r, status);
	timer_start(r->timer, next_delay_ms(r), 0);
}

void redis_greeted(struct redis *r)
{
	r->state = REDIS_UP;
	r->backoff_ms = BACKOFF_FIRST_MS;
	timer_stop(r->timer);
	if (r->told_down) log_line(LOG_INFO, "redis connected", "%.*s", STR_FMT(r->config.address));
	r->told_down = false;
}

static void on_connected(void *arg, enum err status)
{
	static const struct str ping[] = { { "PING", 4 } };
	struct redis_link *link = arg;
	struct redis *r = link->owner;
	if (!r || status != ERR_NONE) return; /* then `closed` follows */
	link->open = true;
	if (redis_is_subscriber(r)) {
		redis_subscriber_open(r);
	} else {
		CHECK(redis_write_command(r, ping, 1));
		command_send(r, NULL, NULL);
	}
}

static void on_data(void *arg, struct str bytes)
{
	struct redis_link *link = arg;
	if (link->owner) redis_reader_feed(link, bytes);
}

static void on_closed(void *arg, enum err why)
{
	struct redis_link *link = arg;
	struct redis *r = link->owner;
	(void)why;
	if (r) {
		r->link = NULL; /* the stream is gone already */
		redis_drop(r, ERR_UNAVAILABLE, link->open ? "connection closed" : "cannot connect");
	}
	redisReaderFree(link->reader);
	free(link);
}

/* Timers run before sockets are read: after a turn that took long, a reply may lie there unread. One more poll decides. */
static void check_deadline(struct redis *r)
{
	struct list *item = list_first(&r->sent);
	if (!item) return;
	int64_t left_ms = CONTAINER_OF(item, struct redis_command, link)->deadline_ms - loop_now_ms(r->loop);
	if (left_ms <= 0 && r->late) {
		redis_drop(r, ERR_TIMEOUT, "no answer in time");
		return;
	}
	r->late = left_ms <= 0;
	timer_start(r->timer, r->late ? 1 : left_ms, 0);
}

static void on_timer(void *arg)
{
	struct redis *r = arg;
	switch (r->state) {
	case REDIS_DOWN:
		begin_connect(r);
		break;
	case REDIS_OPENING:
		redis_drop(r, ERR_TIMEOUT, "no connection in time");
		break;
	case REDIS_UP:
		if (redis_is_subscriber(r))
			redis_subscriber_tick(r);
		else
			check_deadline(r);
		break;
	case REDIS_FREED:
		break;
	}
}

static enum err try_connect(struct redis *r)
{
	static const struct stream_events events = { .data = on_data, .closed = on_closed };
	struct redis_link *link = calloc(1, sizeof *link);
	CHECK(link != NULL);
	link->owner = r;
	link->reader = redis_reader_new(r);
	enum err e = stream_connect(r->loop, r->config.address, on_connected, &events, link, &link->stream);
	if (e == ERR_NONE) {
		r->link = link;
		return e;
	}
	redisReaderFree(link->reader);
	free(link);
	return e;
}

static void begin_connect(struct redis *r)
{
	r->state = REDIS_OPENING;
	if (try_connect(r) != ERR_NONE)
		redis_drop(r, ERR_UNAVAILABLE, "cannot connect");
	else
		timer_start(r->timer, r->config.connect_timeout_ms, 0);
}

/* ---- life ---- */

static void free_commands(struct list *head)
{
	struct list *item;
	while ((item = list_shift(head))) {
		struct redis_command *c = CONTAINER_OF(item, struct redis_command, link);
		arena_release(&c->arena);
		free(c);
	}
}

static void on_release(struct loop_task *task)
{
	struct redis *r = CONTAINER_OF(task, struct redis, release_task);
	CHECK(list_empty(&r->sent) && list_empty(&r->ready));
	free_commands(&r->spare);
	redis_subscriber_release(r);
	buf_free(&r->out);
	free((void *)(uintptr_t)r->config.address.p);
	free((void *)(uintptr_t)r->channel.p);
	free(r);
}

static struct str copy(struct str s)
{
	if (!s.p) return STR_NONE;
	char *p = malloc(s.n + 1);
	CHECK(p != NULL);
	memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

static struct redis *redis_make(struct loop *l, const struct redis_config *config)
{
	struct redis *r = calloc(1, sizeof *r);
	CHECK(r != NULL);
	r->loop = l;
	r->config = *config;
	r->config.address = copy(config->address);
	if (r->config.connect_timeout_ms <= 0) r->config.connect_timeout_ms = 500;
	if (r->config.command_timeout_ms <= 0) r->config.command_timeout_ms = 20;
	if (r->config.queue_max == 0) r->config.queue_max = 1024;
	r->backoff_ms = BACKOFF_FIRST_MS;
	r->timer = timer_new(l, on_timer, r);
	r->run_task.run = on_run;
	r->flush_task.run = on_flush;
	r->release_task.run = on_release;
	buf_init(&r->out, OUT_BYTES_MAX);
	list_init(&r->sent);
	list_init(&r->ready);
	list_init(&r->spare);
	list_init(&r->messages);
	arena_init(&r->inbox, REPLY_FIRST_BYTES, REDIS_REPLY_BYTES_MAX);
	return r;
}

/* The first try tells whether the address can be one at all. */
static struct redis *redis_begin(struct redis *r)
{
	struct str address = r->config.address;
	r->state = REDIS_OPENING;
	enum err e = try_connect(r);
	if (e == ERR_SYNTAX) {
		log_line(LOG_ERROR, "bad address of redis", "%.*s", STR_FMT(address));
		redis_free(r);
		return NULL;
	}
	if (e != ERR_NONE)
		redis_drop(r, ERR_UNAVAILABLE, "cannot connect");
	else
		timer_start(r->timer, r->config.connect_timeout_ms, 0);
	return r;
}

struct redis *redis_new(struct loop *l, const struct redis_config *config)
{
	return redis_begin(redis_make(l, config));
}

struct redis *redis_subscribe(struct loop *l, const struct redis_config *config, struct str channel,
    void (*message)(void *arg, struct str payload), void (*lost)(void *arg), void *arg)
{
	CHECK(channel.n > 0 && message && lost);
	struct redis *r = redis_make(l, config);
	r->channel = copy(channel);
	r->on_message = message;
	r->on_lost = lost;
	r->arg = arg;
	return redis_begin(r);
}

void redis_free(struct redis *r)
{
	if (!r || r->state == REDIS_FREED) return;
	r->state = REDIS_FREED;
	link_detach(r);
	end_all(r, ERR_UNAVAILABLE);
	timer_free(r->timer);
	r->timer = NULL;
	loop_push(r->loop, PHASE_LAST, &r->release_task);
}
