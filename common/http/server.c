/* The server as a whole: settings, listening, the one coarse clock for all deadlines, recycled memory, drain and the end. */
#include <stdlib.h>
#include <sys/resource.h>

#include "common/core/clock.h"
#include "common/http/connection.h"

enum { TICK_MS = 100, LINGER_MS = 1000, DESCRIPTORS_KEPT = 256 /* for files, services and the cache */ };

static int64_t wait_limit_ms(const struct http_server *s, enum wait wait)
{
	switch (wait) {
	case WAIT_IDLE:
		return s->config.idle_timeout_ms;
	case WAIT_HEAD:
		return s->config.head_timeout_ms;
	case WAIT_BODY:
		return s->config.body_timeout_ms;
	case WAIT_WRITE:
		return s->config.write_timeout_ms;
	case WAIT_LINGER:
		return LINGER_MS;
	case WAIT_NONE:
	case WAIT_COUNT:
		break;
	}
	return INT64_MAX;
}

static void on_tick(void *arg)
{
	struct http_server *s = arg;
	int64_t now_ms = loop_now_ms(s->loop);
	for (enum wait wait = WAIT_IDLE; wait < WAIT_COUNT; wait++) {
		int64_t limit_ms = wait_limit_ms(s, wait);
		while (!list_empty(&s->waits[wait])) {
			struct connection *c = CONTAINER_OF(s->waits[wait].next, struct connection, wait_link);
			if (now_ms - c->wait_since_ms < limit_ms) break;
			connection_expire(c);
		}
	}
}

/* Those that wait stand in the order of their last progress. One that was cut is gone from its list at once, its bytes soon. */
void server_cut_slow(struct http_server *s)
{
	while (s->pending_bytes > s->config.unread_total_max && !list_empty(&s->waits[WAIT_WRITE])) {
		struct connection *c = CONTAINER_OF(s->waits[WAIT_WRITE].next, struct connection, wait_link);
		connection_count(c);
		if (s->pending_bytes <= s->config.unread_total_max) return;
		connection_cut(c);
	}
}

static void keep_ticking(struct http_server *s)
{
	bool wanted = s->stats.connections > 0;
	if (wanted == s->ticking) return;
	s->ticking = wanted;
	if (wanted) {
		timer_start(s->tick, TICK_MS, TICK_MS);
	} else {
		timer_stop(s->tick); /* an idle process sleeps */
	}
}

struct str server_date(struct http_server *s)
{
	int64_t now_ms = loop_now_ms(s->loop);
	if (now_ms != s->date_checked_ms) {
		s->date_checked_ms = now_ms;
		int64_t now_s = clock_wall_s();
		if (now_s != s->date_s) clock_format_http(now_s, s->date);
		s->date_s = now_s;
	}
	return str_span(s->date, HTTP_DATE_BYTES);
}

struct exchange *exchange_new(struct connection *c)
{
	struct http_server *s = c->server;
	struct list *item = list_shift(&s->spare);
	struct exchange *e;
	if (item) {
		e = CONTAINER_OF(item, struct exchange, link);
		s->spare_count--;
	} else {
		e = calloc(1, sizeof *e);
		CHECK(e != NULL);
		arena_init(&e->x.arena, EXCHANGE_FIRST_BYTES, s->config.arena_bytes_max);
		buf_init(&e->intake.raw, s->config.head_bytes_max);
		buf_init(&e->intake.body, s->config.body_bytes_max);
		buf_init(&e->held, STREAM_PENDING_MAX);
		list_init(&e->link);
	}
	e->connection = c;
	e->x.peer = str_of(c->peer);
	intake_begin(&e->intake, &e->x);
	return e;
}

static void exchange_free(struct exchange *e)
{
	arena_release(&e->x.arena);
	buf_free(&e->intake.raw);
	buf_free(&e->intake.body);
	buf_free(&e->held);
	free(e);
}

void exchange_finish(struct exchange *e, int status, size_t bytes)
{
	struct http_server *s = e->connection->server;
	if (e->announced && s->config.on_finished) s->config.on_finished(s->config.arg, &e->x, status, bytes);
	if (s->spare_count >= SPARE_EXCHANGES_MAX || s->freed) {
		exchange_free(e);
		return;
	}
	arena_reset(&e->x.arena);
	buf_reset(&e->intake.raw);
	buf_reset(&e->intake.body);
	buf_reset(&e->held);
	*e = (struct exchange){
		.x.arena = e->x.arena, .intake.raw = e->intake.raw, .intake.body = e->intake.body, .held = e->held
	};
	list_push(&s->spare, &e->link);
	s->spare_count++;
}

static void destroy(struct http_server *s)
{
	for (struct list *item; (item = list_shift(&s->spare));)
		exchange_free(CONTAINER_OF(item, struct exchange, link));
	for (unsigned i = 0; i < s->spare_buffer_count; i++) buf_free(&s->spare_buffers[i]);
	free(s);
}

static void on_drained_task(struct loop_task *task)
{
	struct http_server *s = CONTAINER_OF(task, struct http_server, drained_task);
	void (*drained)(void *arg) = s->drained;
	s->drained = NULL;
	if (s->freed) {
		destroy(s);
		return;
	}
	if (drained) drained(s->drained_arg);
}

static void check_end(struct http_server *s)
{
	if (s->stats.connections == 0 && (s->draining || s->freed)) loop_push(s->loop, PHASE_LAST, &s->drained_task);
}

void server_forget(struct connection *c)
{
	struct http_server *s = c->server;
	if (s->config.on_disconnect) s->config.on_disconnect(s->config.arg, str_of(c->peer));
	list_remove(&c->link);
	buf_free(&c->out);
	buf_free(&c->backlog);
	wire_free(c->wire);
	free(c);
	s->stats.connections--;
	if (!s->freed) keep_ticking(s);
	check_end(s);
}

static void on_accepted(void *arg, struct stream *stream)
{
	connection_accept(arg, stream);
	keep_ticking(arg);
}

static size_t or_size(size_t value, size_t fallback)
{
	return value ? value : fallback;
}

static int64_t or_ms(int64_t value, int64_t fallback)
{
	return value ? value : fallback;
}

/* Clients may not take the descriptors that answering them needs. */
static unsigned affordable(unsigned connections)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= (rlim_t)connections + DESCRIPTORS_KEPT)
		return connections;
	return limit.rlim_cur > 2 * DESCRIPTORS_KEPT ? (unsigned)limit.rlim_cur - DESCRIPTORS_KEPT
						     : (unsigned)limit.rlim_cur / 2;
}

static struct http_server_config with_defaults(const struct http_server_config *given)
{
	struct http_server_config c = *given;
	c.head_bytes_max = or_size(c.head_bytes_max, 16 * 1024);
	c.target_bytes_max = or_size(c.target_bytes_max, 8 * 1024);
	c.field_count_max = c.field_count_max ? c.field_count_max : 100;
	c.body_bytes_max = or_size(c.body_bytes_max, 1024 * 1024);
	c.pipeline_max = c.pipeline_max ? c.pipeline_max : 64;
	c.connections_max = affordable(c.connections_max ? c.connections_max : 20000);
	c.unread_bytes_max = or_size(c.unread_bytes_max, 1024 * 1024);
	c.unread_total_max = or_size(c.unread_total_max, 64 * 1024 * 1024);
	c.arena_bytes_max = or_size(c.arena_bytes_max, 4 * 1024 * 1024);
	c.head_timeout_ms = or_ms(c.head_timeout_ms, 10 * 1000);
	c.body_timeout_ms = or_ms(c.body_timeout_ms, 20 * 1000);
	c.idle_timeout_ms = or_ms(c.idle_timeout_ms, 75 * 1000);
	c.write_timeout_ms = or_ms(c.write_timeout_ms, 30 * 1000);
	return c;
}

enum err http_server_open(struct loop *l, struct str address, bool reuse_port, const struct http_server_config *config,
    struct http_server **out)
{
	CHECK(config->on_request != NULL);
	struct http_server *s = calloc(1, sizeof *s);
	CHECK(s != NULL);
	s->loop = l;
	s->config = with_defaults(config);
	s->drained_task.run = on_drained_task;
	s->date_checked_ms = s->date_s = -1;
	list_init(&s->connections);
	list_init(&s->spare);
	for (unsigned i = 0; i < WAIT_COUNT; i++) list_init(&s->waits[i]);
	enum err e = listener_open(l, address, reuse_port, on_accepted, s, &s->listener);
	if (e) {
		free(s);
		*out = NULL;
		return e;
	}
	s->tick = timer_new(l, on_tick, s);
	*out = s;
	return ERR_NONE;
}

int http_server_port(const struct http_server *s)
{
	return listener_port(s->listener);
}

void http_server_drain(struct http_server *s, void (*drained)(void *arg), void *arg)
{
	s->drained = drained;
	s->drained_arg = arg;
	if (!s->draining) listener_close(s->listener);
	s->draining = true;
	for (struct list *i = s->connections.next; i != &s->connections; i = i->next)
		connection_drain(CONTAINER_OF(i, struct connection, link));
	check_end(s);
}

void http_server_free(struct http_server *s)
{
	if (!s || s->freed) return;
	if (!s->draining) listener_close(s->listener);
	s->freed = true;
	timer_free(s->tick);
	for (struct list *i = s->connections.next; i != &s->connections; i = i->next) {
		struct connection *c = CONTAINER_OF(i, struct connection, link);
		if (c->stream) stream_abort(c->stream);
	}
	check_end(s);
}

struct http_server_stats http_server_stats(const struct http_server *s)
{
	struct http_server_stats stats = s->stats;
	for (struct list *i = s->connections.next; i != &s->connections; i = i->next) {
		const struct connection *c = CONTAINER_OF(i, struct connection, link);
		stats.bytes_held +=
		    sizeof *c + c->out.cap + c->backlog.cap + (c->stream ? stream_pending(c->stream) : 0);
		if (c->reading) stats.bytes_held += c->reading->intake.raw.cap + c->reading->intake.body.cap;
		for (struct list *x = c->owed.next; x != &c->owed; x = x->next) {
			const struct exchange *e = CONTAINER_OF(x, struct exchange, link);
			stats.bytes_held +=
			    sizeof *e + e->x.arena.bytes_used + e->intake.raw.cap + e->intake.body.cap + e->held.cap;
		}
	}
	return stats;
}
