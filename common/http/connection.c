/* One client connection: requests in, answers out in order. All answers of a turn leave in one write (flush, PHASE_CLIENT).
 * A connection lives until its stream is gone and every answer owed has been given, so an exchange never loses its memory. */
#include "common/http/connection.h"

#include <stdlib.h>

#include "common/core/clock.h"

enum {
	PROGRESS_BYTES = 16 * 1024, /* what must move within one deadline to earn another */
	LINGER_BYTES = 32 * 1024 * 1024, /* dropped, so that who is in the middle of a big body hears his refusal */
};

static bool has_room(const struct connection *c)
{
	const struct http_server *s = c->server;
	size_t mine = stream_pending(c->stream) + c->out.n;
	if (c->in_flight >= s->config.pipeline_max || mine > s->config.unread_bytes_max) return false;
	if (c->in_flight && s->body_bytes > s->config.bodies_total_max) return false;
	/* All together: who has not taken his last answer asks for no more while the budget is spent. */
	return mine == 0 || s->pending_bytes - c->counted + mine <= s->config.unread_total_max;
}

static void unwait(struct connection *c)
{
	if (c->wait == WAIT_NONE) return;
	list_remove(&c->wait_link);
	c->wait = WAIT_NONE;
}

static enum wait wanted_wait(const struct connection *c)
{
	if (stream_pending(c->stream)) return WAIT_WRITE;
	if (c->lingering || c->closing) return WAIT_LINGER;
	if (c->reading && !c->input_over) return c->reading->intake.in_body ? WAIT_BODY : WAIT_HEAD;
	return list_empty(&c->owed) ? WAIT_IDLE : WAIT_NONE;
}

static size_t progress_of(const struct connection *c, enum wait wait)
{
	if (wait == WAIT_BODY) return c->reading->intake.body.n;
	return wait == WAIT_WRITE ? stream_pending(c->stream) : 0;
}

static void count_body(struct connection *c, size_t body)
{
	bool begins = body && (!c->body_counted || body < c->body_counted); /* less than before: it is the next one */
	c->server->body_bytes += body - c->body_counted;
	c->body_counted = body;
	if (!begins && body && body - c->body_mark < PROGRESS_BYTES) return;
	list_remove(&c->body_link);
	c->body_mark = body;
	if (body) list_push(&c->server->bodies, &c->body_link);
}

void connection_count(struct connection *c)
{
	size_t pending = c->stream && !c->cut ? stream_pending(c->stream) : 0;
	c->server->pending_bytes += pending - c->counted;
	c->counted = pending;
	count_body(c, c->stream && !c->cut && c->reading ? c->reading->intake.body.n : 0);
}

void connection_wait(struct connection *c)
{
	connection_count(c);
	enum wait wait = c->stream && !c->cut ? wanted_wait(c) : WAIT_NONE;
	if (wait == c->wait) return;
	unwait(c);
	if (wait == WAIT_NONE) return;
	c->wait = wait;
	c->wait_since_ms = loop_now_ms(c->server->loop);
	c->wait_mark = progress_of(c, wait);
	list_push(&c->server->waits[wait], &c->wait_link);
}

static void dispatch(struct connection *c)
{
	struct exchange *e = c->reading;
	c->reading = NULL;
	if (c->server->config.any_order) e->call = http_get(e->x.fields, STR(CALL_FIELD));
	e->dispatched = e->announced = true;
	count_body(c, 0);
	/* One that came in one piece is in the arena. */
	e->body_held = e->intake.body.n ? e->intake.body.n : e->x.body.n;
	c->server->body_bytes += e->body_held;
	list_push(&c->owed, &e->link);
	c->in_flight++;
	unwait(c);
}

static void refuse(struct connection *c, enum err why)
{
	struct exchange *e = c->reading;
	c->input_over = c->unread = true;
	e->refused = e->close = true;
	if (!e->x.received_ns) e->x.received_ns = clock_mono_ns(); /* its head never stood */
	dispatch(c);
	answer_refused(e, why);
}

static void announce_continue(struct connection *c)
{
	struct exchange *e = c->reading;
	if (!e || !e->wants_continue || !list_empty(&c->owed) || c->closing) return;
	e->wants_continue = false;
	BUF_LIT(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	loop_push(c->server->loop, PHASE_CLIENT, &c->flush);
}

/* The head stands: asks the owner, then says whether the body may come. */
static enum err accept_head(struct connection *c, size_t bytes_here)
{
	const struct http_server_config *config = &c->server->config;
	struct exchange *e = c->reading;
	size_t body_bytes_max = config->body_bytes_max;
	unwait(c);
	if (config->on_head) {
		e->announced = true;
		TRY(config->on_head(config->arg, &e->x, &body_bytes_max));
		if (body_bytes_max > config->body_bytes_max) body_bytes_max = config->body_bytes_max;
	}
	TRY(intake_begin_body(&e->intake, body_bytes_max));
	if (e->intake.framing.expects_continue &&
	    (e->intake.framing.chunked || e->intake.framing.length > bytes_here)) {
		e->wants_continue = true;
		announce_continue(c);
	}
	return ERR_NONE;
}

static enum intake_step advance(struct connection *c, struct str *bytes, enum err *why)
{
	const struct http_server_config *config = &c->server->config;
	struct intake *in = &c->reading->intake;
	enum intake_step step = intake_step(in, c->wire, config, bytes, why);
	if (step != INTAKE_HEAD) return step;
	*why = accept_head(c, bytes->n);
	return *why ? INTAKE_REFUSE : intake_step(in, c->wire, config, bytes, why);
}

static void hold(struct connection *c, struct str bytes)
{
	buf_str(&c->backlog, bytes);
	if (!c->paused) stream_pause(c->stream);
	c->paused = true;
}

static void feed(struct connection *c, struct str bytes)
{
	while (bytes.n && !c->input_over) {
		enum err why;
		if (!c->reading && !has_room(c)) {
			hold(c, bytes);
			return;
		}
		if (!c->reading) c->reading = exchange_new(c);
		switch (advance(c, &bytes, &why)) {
		case INTAKE_HEAD:
		case INTAKE_MORE:
			break;
		case INTAKE_REFUSE:
			refuse(c, why);
			break;
		case INTAKE_DONE: {
			struct exchange *e = c->reading;
			if (!e->intake.keep_alive) c->input_over = e->close = true;
			dispatch(c);
			c->server->config.on_request(c->server->config.arg, &e->x);
			break;
		}
		}
	}
	if (bytes.n) c->unread = true;
}

static void on_data(void *arg, struct str bytes)
{
	struct connection *c = arg;
	if (c->lingering || c->closing) {
		c->unread = true;
		c->lingered += bytes.n;
		if (c->lingered > LINGER_BYTES) stream_abort(c->stream);
		return;
	}
	feed(c, bytes);
	connection_wait(c);
	server_turn_away_slow(c->server);
}

void connection_turn_away(struct connection *c)
{
	buf_free(&c->reading->intake.body); /* now, not when the client has taken what comes before its refusal */
	if (c->input_over) { /* its last answer stands already */
		connection_count(c);
		return;
	}
	refuse(c, ERR_BUSY);
	connection_wait(c);
}

/* The peer will send no more. What it asked is still answered; half a request is told so. */
static void take_end(struct connection *c)
{
	if (c->backlog.n) return;
	if (c->reading && !c->input_over) {
		refuse(c, ERR_MALFORMED_REQUEST);
		return;
	}
	c->input_over = true;
	if (c->in_flight == 0) stream_close(c->stream);
}

static void on_end(void *arg)
{
	struct connection *c = arg;
	c->ended = true;
	if (c->lingering) {
		stream_close(c->stream);
		return;
	}
	take_end(c);
	connection_wait(c);
}

static void on_drained(void *arg)
{
	struct connection *c = arg;
	loop_push(c->server->loop, PHASE_CLIENT, &c->flush);
}

static void on_closed(void *arg, enum err why)
{
	struct connection *c = arg;
	(void)why;
	unwait(c);
	c->stream = NULL;
	connection_count(c);
	for (struct list *i = c->owed.next; i != &c->owed; i = i->next)
		CONTAINER_OF(i, struct exchange, link)->x.abandoned = true;
	loop_push(c->server->loop, PHASE_CLIENT, &c->flush);
}

/* Finishes what the list holds; of the owed ones only those that have been answered. */
static void finish_list(struct connection *c, struct list *list, bool sent)
{
	for (struct list *i = list->next, *next; i != list; i = next) {
		struct exchange *e = CONTAINER_OF(i, struct exchange, link);
		next = i->next;
		if (!e->answered) continue;
		list_remove(i);
		c->in_flight--;
		exchange_finish(e, sent ? e->status : 0, sent ? e->answer_bytes : 0);
	}
}

static void bury(struct connection *c)
{
	finish_list(c, &c->leaving, false);
	finish_list(c, &c->owed, false);
	if (c->reading) {
		c->reading->x.abandoned = true;
		exchange_finish(c->reading, 0, 0);
		c->reading = NULL;
	}
	if (list_empty(&c->owed)) server_forget(c);
}

/* Behind the last answer. If the peer may still be sending, a plain close would reset the connection under the answer. */
static void close_behind(struct connection *c)
{
	if (c->lingering) return;
	if (c->ended || !c->unread) {
		stream_close(c->stream);
		return;
	}
	stream_end(c->stream);
	c->lingering = true;
	if (c->paused) stream_resume(c->stream);
	c->paused = false;
}

static void go_on(struct connection *c)
{
	struct buf backlog = c->backlog;
	if (!backlog.n || !has_room(c)) return;
	buf_init(&c->backlog, backlog.max);
	feed(c, buf_view(&backlog));
	buf_free(&backlog);
}

static void give_back(struct connection *c)
{
	struct http_server *s = c->server;
	if (!c->out.p || c->out.n) return;
	if (c->out.cap > SPARE_BUFFER_BYTES || s->spare_buffer_count == SPARE_BUFFERS_MAX) {
		buf_free(&c->out);
		return;
	}
	s->spare_buffers[s->spare_buffer_count++] = c->out;
	buf_init(&c->out, c->out.max);
}

static void on_flush(struct loop_task *task)
{
	struct connection *c = CONTAINER_OF(task, struct connection, flush);
	if (!c->stream) {
		bury(c);
		return;
	}
	if (!buf_ok(&c->out) || stream_write_buf(c->stream, &c->out)) {
		stream_abort(c->stream);
		return;
	}
	finish_list(c, &c->leaving, true);
	give_back(c);
	if (c->closing) {
		close_behind(c);
		connection_wait(c);
		return;
	}
	go_on(c);
	if (c->paused && !c->backlog.n && has_room(c)) {
		c->paused = false;
		stream_resume(c->stream);
	}
	announce_continue(c);
	if (c->ended) take_end(c);
	if (c->wait == WAIT_IDLE) unwait(c); /* a new idle time begins */
	connection_wait(c);
	server_cut_slow(c->server);
	server_turn_away_slow(c->server);
}

static const struct stream_events events = { on_data, on_end, on_drained, on_closed };

static void reject_data(void *arg, struct str bytes)
{
	(void)arg;
	(void)bytes;
}

static void reject_closed(void *arg, enum err why)
{
	(void)arg;
	(void)why;
}

static void reject(struct http_server *s, struct stream *stream)
{
	static const struct stream_events none = { reject_data, NULL, NULL, reject_closed };
	struct str busy =
	    STR("HTTP/1.1 503 Service Unavailable\r\nServer: yangguang\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
		"Connection: close\r\n\r\n");
	s->stats.refused++;
	stream_start(stream, &none, NULL);
	if (stream_write(stream, &busy, 1)) {
		stream_abort(stream);
		return;
	}
	stream_close(stream);
}

void connection_accept(void *arg, struct stream *stream)
{
	struct http_server *s = arg;
	bool full = s->stats.connections >= s->config.connections_max || (s->draining && !s->retire_at_ms);
	if (full || (s->config.on_connect && !s->config.on_connect(s->config.arg, stream_peer(stream)))) {
		reject(s, stream);
		return;
	}
	struct connection *c = calloc(1, sizeof *c);
	CHECK(c != NULL);
	c->server = s;
	c->stream = stream;
	c->wire = wire_new();
	c->flush.run = on_flush;
	list_init(&c->owed);
	list_init(&c->leaving);
	list_init(&c->wait_link);
	list_init(&c->body_link);
	buf_init(&c->out, STREAM_PENDING_MAX);
	buf_init(&c->backlog, STREAM_PENDING_MAX);
	struct str peer = stream_peer(stream);
	memcpy(c->peer, peer.p, peer.n < sizeof c->peer - 1 ? peer.n : sizeof c->peer - 1);
	c->secure = stream_is_tls(stream);
	c->certificate = stream_take_client(stream);
	list_push(&s->connections, &c->link);
	s->stats.connections++;
	s->stats.accepted++;
	stream_start(stream, &events, c);
	connection_wait(c);
}

void connection_cut(struct connection *c)
{
	unwait(c);
	c->cut = true;
	connection_count(c);
	stream_abort(c->stream);
}

static void expire_linger(struct connection *c)
{
	if (stream_pending(c->stream)) {
		stream_abort(c->stream);
		return;
	}
	stream_close(c->stream);
}

void connection_expire(struct connection *c)
{
	enum wait wait = c->wait;
	unwait(c);
	switch (wait) {
	case WAIT_NONE:
	case WAIT_COUNT:
		break;
	case WAIT_IDLE:
		stream_close(c->stream);
		return;
	case WAIT_LINGER:
		expire_linger(c);
		return;
	case WAIT_HEAD:
		refuse(c, ERR_REQUEST_TIMEOUT);
		break;
	case WAIT_BODY:
		if (progress_of(c, wait) - c->wait_mark < PROGRESS_BYTES) refuse(c, ERR_REQUEST_TIMEOUT);
		break;
	case WAIT_WRITE:
		/* Bytes may have been added meanwhile: then the pending ones count as no progress only when they grew too. */
		if (stream_pending(c->stream) + PROGRESS_BYTES > c->wait_mark) {
			stream_abort(c->stream);
			return;
		}
		break;
	}
	connection_wait(c);
}

void connection_drain(struct connection *c)
{
	if (!c->stream || c->closing || c->in_flight || c->reading) return;
	c->input_over = c->closing = c->unread = true;
	loop_push(c->server->loop, PHASE_CLIENT, &c->flush);
}
