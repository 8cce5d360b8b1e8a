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

static unsigned handshakes(const struct http_server *s)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->listener_count; i++) n += listener_pending(s->listeners[i]);
	return n;
}

static void check_end(struct http_server *s)
{
	bool over = s->freed || (s->draining && handshakes(s) == 0);
	if (s->stats.connections == 0 && over) loop_push(s->loop, PHASE_LAST, &s->drained_task);
}

static void close_idle(struct http_server *s)
{
	for (struct list *i = s->connections.next; i != &s->connections; i = i->next)
		connection_drain(CONTAINER_OF(i, struct connection, link));
}

static void go_on_draining(struct http_server *s, int64_t now_ms)
{
	if (s->retire_at_ms && now_ms >= s->retire_at_ms) {
		s->retire_at_ms = 0;
		close_idle(s);
	}
	check_end(s);
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
	if (s->draining) go_on_draining(s, now_ms);
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

void server_turn_away_slow(struct http_server *s)
{
	while (s->body_bytes > s->config.bodies_total_max && !list_empty(&s->bodies))
		connection_turn_away(CONTAINER_OF(s->bodies.next, struct connection, body_link));
}

static void keep_ticking(struct http_server *s)
{
	bool wanted = s->stats.connections > 0 || (s->draining && handshakes(s) > 0);
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
	e->x.secure = c->secure;
	e->x.certificate = c->certificate;
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

/* Large buffers do not wait for the next large request. */
static void recycle(struct buf *b)
{
	if (b->cap > SPARE_EXCHANGE_BYTES) {
		buf_free(b);
	} else {
		buf_reset(b);
	}
}

void exchange_finish(struct exchange *e, int status, size_t bytes)
{
	struct http_server *s = e->connection->server;
	if (e->announced && s->config.on_finished) s->config.on_finished(s->config.arg, &e->x, status, bytes);
	s->body_bytes -= e->body_held;
	if (s->spare_count >= SPARE_EXCHANGES_MAX || s->freed) {
		exchange_free(e);
		return;
	}
	arena_reset(&e->x.arena);
	recycle(&e->intake.raw);
	recycle(&e->intake.body);
	recycle(&e->held);
	*e = (struct exchange){
		.x.arena = e->x.arena, .intake.raw = e->intake.raw, .intake.body = e->intake.body, .held = e->held
	};
	list_push(
	    s->spare.next, &e->link); /* to the front: the one used last is in the cache, and the others stay small */
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

void server_forget(struct connection *c)
{
	struct http_server *s = c->server;
	if (s->config.on_disconnect) s->config.on_disconnect(s->config.arg, str_of(c->peer));
	list_remove(&c->link);
	buf_free(&c->out);
	buf_free(&c->backlog);
	wire_free(c->wire);
	free(c->certificate);
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
	c.bodies_total_max = or_size(c.bodies_total_max, 128 * 1024 * 1024);
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
	list_init(&s->bodies);
	enum err e = http_server_listen(s, address, reuse_port, NULL);
	if (e) {
		free(s);
		*out = NULL;
		return e;
	}
	s->tick = timer_new(l, on_tick, s);
	*out = s;
	return ERR_NONE;
}

enum err http_server_listen(struct http_server *s, struct str address, bool reuse_port, struct tls *tls)
{
	struct listener **out = &s->listeners[s->listener_count];
	CHECK(s->listener_count < HTTP_LISTENERS_MAX);
	enum err e = tls ? listener_open_tls(s->loop, address, reuse_port, tls, on_accepted, s, out)
			 : listener_open(s->loop, address, reuse_port, on_accepted, s, out);
	if (e == ERR_NONE) s->listener_count++;
	return e;
}

void http_server_expect_proxies(struct http_server *s, bool (*trusts)(void *arg, struct str peer), void *arg)
{
	listener_expect_proxies(s->listeners[s->listener_count - 1], trusts, arg);
}

int http_server_port(const struct http_server *s)
{
	return listener_port(s->listeners[0]);
}

static void close_listeners(struct http_server *s)
{
	for (unsigned i = 0; i < s->listener_count; i++) listener_close(s->listeners[i]);
	s->listener_count = 0;
}

void http_server_drain(struct http_server *s, void (*drained)(void *arg), void *arg)
{
	s->drained = drained;
	s->drained_arg = arg;
	close_listeners(s);
	s->draining = true;
	s->retire_at_ms = 0;
	close_idle(s);
	check_end(s);
}

void http_server_retire(struct http_server *s, int64_t grace_ms, void (*drained)(void *arg), void *arg)
{
	s->drained = drained;
	s->drained_arg = arg;
	for (unsigned i = 0; i < s->listener_count; i++) listener_stop(s->listeners[i]);
	s->draining = true;
	s->retire_at_ms = loop_now_ms(s->loop) + grace_ms;
	keep_ticking(s);
	check_end(s);
}

void http_server_free(struct http_server *s)
{
	if (!s || s->freed) return;
	close_listeners(s);
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
	for (unsigned i = 0; i < s->listener_count; i++)
		stats.proxies_refused += listener_proxies_refused(s->listeners[i]);
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
