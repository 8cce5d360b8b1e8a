/*
 * TLS under a stream: handshakes before anybody above hears of the connection, then plain bytes up and sealed bytes down. Handshakes
 * are the costly part: a turn of the loop makes a few and leaves the rest to the next, so that those who are served already do not
 * wait; they are bounded in number, bytes and time, and when there are too many the oldest goes.
 */
#include "common/net/tls_stream.h"

#include <stdlib.h>

#include "common/core/log.h"
#include "common/net/tls_session.h"

enum {
	HANDSHAKES_MAX = 4096,
	HANDSHAKES_PER_TURN = 8,
	HANDSHAKE_MS = 10 * 1000,
	HANDSHAKE_BYTES_MAX = 64 * 1024,
	TICK_MS = 500,
	SEALED_BYTES_MAX = 2 * STREAM_PENDING_MAX
};

struct tls_accept {
	struct loop *loop;
	struct tls *tls;
	void (*accepted)(void *arg, struct stream *s);
	void *arg;
	struct list shaking; /* oldest first */
	struct list waiting; /* of these: for their turn */
	unsigned count;
	struct timer *tick; /* running while somebody shakes */
	struct timer *next_turn; /* running while somebody waits */
	uint64_t turn_ns;
	unsigned left; /* in this turn */
};

struct tls_link {
	struct tls_session session;
	struct stream *stream; /* NULL: gone */
	struct tls_accept *accept; /* NULL once established */
	struct list link; /* in accept->shaking */
	struct list wait_link; /* in accept->waiting */
	int64_t began_ms;
	size_t handshake_bytes;
	struct buf kept; /* sealed bytes that came when nobody wanted them */
	struct loop_task deliver;
	bool eof; /* behind the kept ones */
	struct tls_client *client;
};

/* ── down ── */

static struct buf *sealed_of(struct loop *l)
{
	if (!l->sealed.max) buf_init(&l->sealed, SEALED_BYTES_MAX);
	return &l->sealed;
}

static enum err send_sealed(struct stream *s)
{
	struct buf *sealed = sealed_of(s->loop);
	enum err e = buf_ok(sealed) ? ERR_NONE : ERR_CLOSED;
	if (e == ERR_NONE && sealed->n) e = s->closing ? ERR_CLOSED : stream_send(s, sealed);
	buf_reset(sealed);
	return e;
}

enum err tls_stream_write(struct stream *s, struct str plain)
{
	struct tls_link *t = s->tls;
	enum err e = tls_session_write(&t->session, plain, sealed_of(s->loop));
	if (e != ERR_NONE) {
		buf_reset(sealed_of(s->loop));
		stream_close_now(s, ERR_CLOSED);
		return e;
	}
	return send_sealed(s);
}

void tls_stream_close(struct stream *s)
{
	tls_session_close(&s->tls->session, sealed_of(s->loop));
	(void)send_sealed(s);
}

/* ── up ── */

static void keep(struct tls_link *t, struct str sealed)
{
	buf_str(&t->kept, sealed);
	if (!buf_ok(&t->kept)) stream_close_now(t->stream, ERR_PROTOCOL);
}

static void tell_end(struct stream *s)
{
	if (s->closing || s->ended) return;
	s->ended = true;
	stream_read_stop(s);
	if (s->events.end) {
		s->events.end(s->arg);
	} else {
		stream_close_now(s, ERR_CLOSED);
	}
}

/* As many records as fit go up at once. False when the owner wants no more for now, or there is no more. */
static bool give(struct tls_link *t, struct str *sealed)
{
	struct stream *s = t->stream;
	struct loop *l = s->loop;
	size_t n = 0;
	ssize_t got = SESSION_MORE;
	while (READ_BYTES - n >= SSL3_RT_MAX_PLAIN_LENGTH) {
		got = tls_session_read(&t->session, sealed, sealed_of(l), l->plain_bytes + n, READ_BYTES - n);
		if (got <= 0) break;
		n += (size_t)got;
		if (!sealed->n) break;
	}
	if (l->sealed.n && send_sealed(s)) return false;
	if (n) s->events.data(s->arg, str_span(l->plain_bytes, n));
	if (s->closing || s->finishing) return false;
	if (got == SESSION_CLOSED) tell_end(s);
	if (got == SESSION_BROKEN) stream_close_now(s, ERR_CLOSED);
	return got > 0 && s->reading && (sealed->n || SSL_pending(t->session.ssl) > 0);
}

static void open_sealed(struct tls_link *t, struct str sealed)
{
	struct stream *s = t->stream;
	if (!s->loop->plain_bytes) {
		s->loop->plain_bytes = malloc(READ_BYTES);
		CHECK(s->loop->plain_bytes != NULL);
	}
	while (give(t, &sealed)) {
	}
	if (sealed.n && !s->closing && !s->finishing && !s->ended) keep(t, sealed);
}

static void on_deliver(struct loop_task *task)
{
	struct tls_link *t = CONTAINER_OF(task, struct tls_link, deliver);
	struct buf held = t->kept;
	if (!t->stream) {
		free(t);
		return;
	}
	if (t->stream->reading && !t->stream->closing && !t->stream->finishing) {
		buf_init(&t->kept, held.max);
		open_sealed(t, buf_view(&held));
		buf_free(&held);
		if (t->eof && !t->kept.n) tell_end(t->stream);
	}
}

void tls_stream_resume(struct stream *s)
{
	if (s->tls->kept.n || s->tls->eof) loop_push(s->loop, PHASE_RUN, &s->tls->deliver);
}

/* ── handshakes ── */

static void leave(struct tls_link *t)
{
	struct tls_accept *a = t->accept;
	if (!a) return;
	list_remove(&t->link);
	list_remove(&t->wait_link);
	t->accept = NULL;
	a->count--;
	a->tls->stats.handshaking--;
	if (!a->count) timer_stop(a->tick);
}

static void fail(struct tls_link *t, enum err why)
{
	struct stream *s = t->stream;
	if (t->accept) t->accept->tls->stats.failed++;
	leave(t);
	stream_close_now(s, why);
}

/* What went wrong is said, then the connection ends. */
static void refuse(struct tls_link *t)
{
	struct tls *tls = t->accept->tls;
	struct stream *s = t->stream;
	struct buf *out = sealed_of(s->loop);
	if (t->session.spoke_plainly) {
		buf_reset(out);
		buf_str(out, tls->settings.plain_answer);
	}
	tls->stats.failed++;
	leave(t);
	if (send_sealed(s)) {
		stream_close_now(s, ERR_PROTOCOL);
		return;
	}
	stream_read_stop(s);
	s->ended = true;
	stream_close(s);
}

static void establish(struct tls_link *t, struct str more)
{
	struct tls_accept *a = t->accept;
	struct stream *s = t->stream;
	a->tls->stats.handshakes++;
	if (SSL_session_reused(t->session.ssl)) a->tls->stats.resumed++;
	t->client = tls_session_client(&t->session);
	leave(t);
	a->accepted(a->arg, s);
	if (more.n && !s->closing && !s->finishing) open_sealed(t, more);
}

static void shake(struct tls_link *t, struct str sealed)
{
	t->handshake_bytes += sealed.n;
	if (t->handshake_bytes > HANDSHAKE_BYTES_MAX) {
		fail(t, ERR_PROTOCOL);
		return;
	}
	enum err e = tls_session_shake(&t->session, &sealed, sealed_of(t->stream->loop));
	if (e == ERR_PROTOCOL) {
		refuse(t);
		return;
	}
	if (send_sealed(t->stream)) {
		fail(t, ERR_CLOSED);
		return;
	}
	if (e == ERR_NONE) establish(t, sealed);
}

static bool has_turn(struct tls_accept *a)
{
	if (a->turn_ns != a->loop->turn_began_ns) {
		a->turn_ns = a->loop->turn_began_ns;
		a->left = HANDSHAKES_PER_TURN;
	}
	if (!a->left || !list_empty(&a->waiting)) return false;
	a->left--;
	return true;
}

static void wait_for_turn(struct tls_link *t, struct str sealed)
{
	struct tls_accept *a = t->accept;
	keep(t, sealed);
	if (t->stream->closing) return;
	stream_read_stop(t->stream);
	if (list_empty(&a->waiting)) timer_start(a->next_turn, 0, 0);
	list_remove(&t->wait_link);
	list_push(&a->waiting, &t->wait_link);
}

static void on_next_turn(void *arg)
{
	struct tls_accept *a = arg;
	for (unsigned i = 0; i < HANDSHAKES_PER_TURN && !list_empty(&a->waiting); i++) {
		struct tls_link *t = CONTAINER_OF(list_shift(&a->waiting), struct tls_link, wait_link);
		struct stream *s = t->stream;
		struct buf held = t->kept;
		buf_init(&t->kept, held.max);
		list_init(&t->wait_link);
		shake(t, buf_view(&held));
		buf_free(&held);
		if (!s->started || s->reading) stream_read_on(s);
	}
	if (!list_empty(&a->waiting)) timer_start(a->next_turn, 0, 0);
}

static void on_tick(void *arg)
{
	struct tls_accept *a = arg;
	int64_t now_ms = loop_now_ms(a->loop);
	while (!list_empty(&a->shaking)) {
		struct tls_link *t = CONTAINER_OF(a->shaking.next, struct tls_link, link);
		if (now_ms - t->began_ms < HANDSHAKE_MS) return;
		fail(t, ERR_TIMEOUT);
	}
}

struct tls_accept *tls_accept_new(
    struct loop *l, struct tls *tls, void (*accepted)(void *arg, struct stream *s), void *arg)
{
	struct tls_accept *a = calloc(1, sizeof *a);
	CHECK(a != NULL);
	*a = (struct tls_accept){ .loop = l, .tls = tls, .accepted = accepted, .arg = arg };
	list_init(&a->shaking);
	list_init(&a->waiting);
	a->tick = timer_new(l, on_tick, a);
	a->next_turn = timer_new(l, on_next_turn, a);
	return a;
}

void tls_accept_stream(struct tls_accept *a, struct stream *s)
{
	struct tls_link *t = calloc(1, sizeof *t);
	CHECK(t != NULL);
	if (a->count >= HANDSHAKES_MAX) fail(CONTAINER_OF(a->shaking.next, struct tls_link, link), ERR_BUSY);
	t->stream = s;
	t->began_ms = loop_now_ms(a->loop);
	t->deliver.run = on_deliver;
	buf_init(&t->kept, 2 * READ_BYTES);
	list_init(&t->link);
	list_init(&t->wait_link);
	s->tls = t;
	if (tls_session_begin(&t->session, a->tls)) {
		stream_close_now(s, ERR_MEMORY);
		return;
	}
	t->accept = a;
	list_push(&a->shaking, &t->link);
	a->tls->stats.handshaking++;
	if (a->count++ == 0) timer_start(a->tick, TICK_MS, TICK_MS);
	stream_read_on(s);
}

unsigned tls_accept_count(const struct tls_accept *a)
{
	return a->count;
}

void tls_accept_free(struct tls_accept *a)
{
	while (!list_empty(&a->shaking)) fail(CONTAINER_OF(a->shaking.next, struct tls_link, link), ERR_ABORTED);
	timer_free(a->tick);
	timer_free(a->next_turn);
	free(a);
}

/* ── what stream.c calls ── */

void tls_stream_read(struct stream *s, struct str sealed)
{
	struct tls_link *t = s->tls;
	if (!t->session.established) {
		if (!t->accept) return;
		if (!t->kept.n && has_turn(t->accept)) {
			shake(t, sealed);
		} else {
			wait_for_turn(t, sealed);
		}
		return;
	}
	if (t->kept.n) {
		keep(t, sealed);
		if (s->reading) loop_push(s->loop, PHASE_RUN, &t->deliver);
		return;
	}
	open_sealed(t, sealed);
}

void tls_stream_eof(struct stream *s)
{
	struct tls_link *t = s->tls;
	if (!t->session.established) {
		fail(t, ERR_CLOSED);
		return;
	}
	if (t->kept.n) {
		t->eof = true;
		return;
	}
	tell_end(s);
}

struct tls_client *tls_stream_take_client(struct stream *s)
{
	struct tls_client *c = s->tls ? s->tls->client : NULL;
	if (s->tls) s->tls->client = NULL;
	return c;
}

void tls_stream_free(struct stream *s)
{
	struct tls_link *t = s->tls;
	if (t->accept) t->accept->tls->stats.failed++;
	leave(t);
	tls_session_free(&t->session);
	buf_free(&t->kept);
	free(t->client);
	t->stream = NULL;
	s->tls = NULL;
	if (!t->deliver.queued) free(t); /* else the task does */
}
