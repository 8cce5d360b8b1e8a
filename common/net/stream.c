/* Byte streams. A write goes straight to the kernel; only what it does not take is kept. Reads use one buffer of the loop, so an
 * idle connection holds no memory for them. `closed` always comes later, from the loop, never inside a call. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/core/buf.h"
#include "common/net/tls_stream.h"

enum {
	PARTS_MAX = 1024, /* IOV_MAX on Linux */
	UNSENT_BYTES_MAX =
	    128 * 1024, /* what the kernel may hold of a peer that does not read: else it takes megabytes of each */
};

struct rest {
	uv_write_t uv;
	char *owned; /* the whole buffer when it was taken over; else the bytes follow this struct */
	char bytes[];
};

struct stream *stream_make(struct loop *l, bool is_unix)
{
	struct stream *s = calloc(1, sizeof *s);
	CHECK(s != NULL);
	s->loop = l;
	s->fd = -1;
	int e = is_unix ? uv_pipe_init(&l->uv, &s->uv.pipe, 0) : uv_tcp_init(&l->uv, &s->uv.tcp);
	if (e) {
		free(s);
		return NULL;
	}
	s->uv.handle.data = s;
	list_push(&l->streams, &s->link);
	return s;
}

static void on_discarded(uv_handle_t *handle)
{
	struct stream *s = handle->data;
	list_remove(&s->link);
	free(s);
}

void stream_discard(struct stream *s)
{
	s->closing = true;
	uv_close(&s->uv.handle, on_discarded);
}

void stream_settle(struct stream *s)
{
	struct sockaddr_storage a;
	int n = sizeof a;
	CHECK(uv_fileno(&s->uv.handle, &s->fd) == 0);
	if (s->uv.handle.type != UV_TCP) {
		memcpy(s->peer, "unix", sizeof "unix");
		return;
	}
	uv_tcp_nodelay(&s->uv.tcp, 1);
	int unsent = UNSENT_BYTES_MAX;
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	if (uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&a, &n)) return;
	if (a.ss_family == AF_INET6) {
		uv_ip6_name((struct sockaddr_in6 *)&a, s->peer, sizeof s->peer);
	} else {
		uv_ip4_name((struct sockaddr_in *)&a, s->peer, sizeof s->peer);
	}
}

struct str stream_peer(const struct stream *s)
{
	return str_of(s->peer);
}

bool stream_is_tls(const struct stream *s)
{
	return s->tls != NULL;
}

struct tls_client *stream_take_client(struct stream *s)
{
	return tls_stream_take_client(s);
}

static void on_closed(uv_handle_t *handle)
{
	struct stream *s = handle->data;
	loop_begin_turn(s->loop);
	if (s->tls) tls_stream_free(s);
	if (s->events.closed) s->events.closed(s->arg, s->why);
	list_remove(&s->link);
	free(s);
}

void stream_close_now(struct stream *s, enum err why)
{
	if (s->closing) return;
	s->closing = true;
	s->why = why;
	uv_close(&s->uv.handle, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct stream *s = handle->data;
	(void)suggested;
	loop_begin_turn(s->loop);
	*out = uv_buf_init(s->loop->read_bytes, READ_BYTES);
}

static void on_read(uv_stream_t *uv, ssize_t n, const uv_buf_t *bytes)
{
	struct stream *s = uv->data;
	if (n > 0) {
		struct str got = str_span(bytes->base, (size_t)n);
		if (s->tls) {
			tls_stream_read(s, got);
		} else {
			s->events.data(s->arg, got);
		}
		return;
	}
	if (n == 0 || s->closing) return;
	if (s->tls && n == UV_EOF) {
		uv_read_stop(uv);
		tls_stream_eof(s);
		return;
	}
	s->ended = true;
	uv_read_stop(uv);
	if (n != UV_EOF || !s->events.end) {
		stream_close_now(s, ERR_CLOSED);
		return;
	}
	s->events.end(s->arg);
}

void stream_read_on(struct stream *s)
{
	if (s->ended || s->closing || s->finishing) return;
	int e = uv_read_start(&s->uv.stream, on_alloc, on_read);
	if (e && e != UV_EALREADY) stream_close_now(s, ERR_IO);
}

void stream_read_stop(struct stream *s)
{
	if (!s->closing) uv_read_stop(&s->uv.stream);
}

void stream_start(struct stream *s, const struct stream_events *events, void *arg)
{
	CHECK(!s->started && events->data && events->closed);
	s->events = *events;
	s->arg = arg;
	s->started = true;
	s->reading = true;
	stream_read_on(s);
}

void stream_pause(struct stream *s)
{
	if (!s->reading) return;
	s->reading = false;
	if (!s->closing) uv_read_stop(&s->uv.stream);
}

void stream_resume(struct stream *s)
{
	if (s->reading) return;
	s->reading = true;
	stream_read_on(s);
	if (s->tls) tls_stream_resume(s);
}

static void on_connect(uv_connect_t *connect, int status)
{
	struct stream *s = connect->data;
	loop_begin_turn(s->loop);
	if (status || s->closing || s->finishing) {
		s->connected(s->arg, s->closing || s->finishing ? ERR_ABORTED : ERR_IO);
		stream_close_now(s, ERR_IO);
		return;
	}
	stream_settle(s);
	s->started = true;
	s->reading = true;
	s->connected(s->arg, ERR_NONE);
	stream_read_on(s);
}

enum err stream_connect(struct loop *l, struct str address, void (*connected)(void *arg, enum err status),
    const struct stream_events *events, void *arg, struct stream **out)
{
	struct address a;
	*out = NULL;
	CHECK(events->data && events->closed);
	TRY(address_parse(address, &a));
	struct stream *s = stream_make(l, a.is_unix);
	if (!s) return ERR_IO;
	s->events = *events;
	s->arg = arg;
	s->connected = connected;
	s->connect.data = s;
	if (a.is_unix) {
		uv_pipe_connect(&s->connect, &s->uv.pipe, a.local.sun_path, on_connect);
	} else if (uv_tcp_connect(&s->connect, &s->uv.tcp, (const struct sockaddr *)&a.ip, on_connect)) {
		stream_discard(s);
		return ERR_IO;
	}
	*out = s;
	return ERR_NONE;
}

size_t stream_pending(const struct stream *s)
{
	return uv_stream_get_write_queue_size(&s->uv.stream);
}

static void on_written(uv_write_t *uv, int status)
{
	struct rest *rest = CONTAINER_OF(uv, struct rest, uv);
	struct stream *s = uv->data;
	free(rest->owned);
	free(rest);
	if (s->closing) return;
	loop_begin_turn(s->loop);
	if (status) {
		stream_close_now(s, ERR_CLOSED);
		return;
	}
	if (stream_pending(s)) return;
	if (s->finishing) {
		stream_close_now(s, ERR_NONE);
		return;
	}
	if (s->events.drained) s->events.drained(s->arg);
}

static enum err queue_rest(struct stream *s, struct rest *rest, char *bytes, size_t n)
{
	uv_buf_t part = uv_buf_init(bytes, (unsigned)n);
	rest->uv.data = s;
	int e = uv_write(&rest->uv, &s->uv.stream, &part, 1, on_written);
	if (!e) return ERR_NONE;
	free(rest->owned);
	free(rest);
	stream_close_now(s, ERR_CLOSED);
	return ERR_CLOSED;
}

static struct rest *rest_new(size_t bytes)
{
	struct rest *rest = malloc(sizeof *rest + bytes);
	CHECK(rest != NULL);
	rest->owned = NULL;
	return rest;
}

/* Checks common to all writes: `bytes` more may be queued. */
static enum err may_write(const struct stream *s, size_t bytes)
{
	if (s->closing || s->finishing || s->shut) return ERR_CLOSED;
	size_t pending = stream_pending(s);
	return bytes > STREAM_PENDING_MAX || pending > STREAM_PENDING_MAX - bytes ? ERR_BUSY : ERR_NONE;
}

/* Hands to the kernel what it takes; *sent is 0 when earlier bytes still wait. send and sendmsg, since write finds out anew each time
 * that this is a socket. */
static enum err write_now(struct stream *s, struct iovec *parts, unsigned count, size_t *sent)
{
	*sent = 0;
	if (stream_pending(s) || s->fd < 0) return ERR_NONE;
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
	const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	ssize_t n;
	do {
		n = count == 1 ? send(s->fd, parts->iov_base, parts->iov_len, flags) : sendmsg(s->fd, &message, flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) return ERR_NONE;
	if (n < 0) {
		stream_close_now(s, ERR_CLOSED);
		return ERR_CLOSED;
	}
	*sent = (size_t)n;
	return ERR_NONE;
}

/* Parts go into one record where they fit. */
static enum err write_sealed(struct stream *s, const struct str *parts, unsigned count, size_t total)
{
	struct buf whole;
	if (count == 1) return tls_stream_write(s, parts[0]);
	buf_init(&whole, total);
	for (unsigned i = 0; i < count; i++) buf_str(&whole, parts[i]);
	enum err e = tls_stream_write(s, buf_view(&whole));
	buf_free(&whole);
	return e;
}

enum err stream_write(struct stream *s, const struct str *parts, unsigned count)
{
	struct iovec vector[PARTS_MAX];
	size_t total = 0, sent;
	CHECK(count <= PARTS_MAX);
	for (unsigned i = 0; i < count; i++) {
		/* The system's type is not const; it only reads. */
		union {
			const char *in;
			char *out;
		} cast = { parts[i].p };
		vector[i] = (struct iovec){ cast.out, parts[i].n };
		total += parts[i].n;
	}
	TRY(may_write(s, total));
	if (total == 0) return ERR_NONE;
	if (s->tls) return write_sealed(s, parts, count, total);
	TRY(write_now(s, vector, count, &sent));
	if (sent == total) return ERR_NONE;
	struct rest *rest = rest_new(total - sent);
	size_t at = 0;
	for (unsigned i = 0; i < count; i++) {
		size_t skip = sent < parts[i].n ? sent : parts[i].n;
		sent -= skip;
		if (parts[i].n > skip) memcpy(rest->bytes + at, parts[i].p + skip, parts[i].n - skip);
		at += parts[i].n - skip;
	}
	return queue_rest(s, rest, rest->bytes, at);
}

enum err stream_write_buf(struct stream *s, struct buf *b)
{
	TRY(may_write(s, b->n));
	if (b->n == 0) return ERR_NONE;
	if (!s->tls) return stream_send(s, b);
	TRY(tls_stream_write(s, buf_view(b)));
	b->n = 0;
	return ERR_NONE;
}

enum err stream_send(struct stream *s, struct buf *b)
{
	size_t sent;
	struct iovec part = { b->p, b->n };
	TRY(write_now(s, &part, 1, &sent));
	if (sent == b->n) {
		b->n = 0;
		return ERR_NONE;
	}
	struct rest *rest = rest_new(0);
	char *bytes = b->p + sent;
	size_t n = b->n - sent;
	rest->owned = b->p;
	buf_init(b, b->max);
	return queue_rest(s, rest, bytes, n);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
	struct stream *s = shutdown->data;
	if (status && !s->closing) stream_close_now(s, ERR_CLOSED);
}

void stream_end(struct stream *s)
{
	if (s->closing || s->finishing || s->shut) return;
	if (s->tls) tls_stream_close(s);
	if (s->closing) return;
	s->shut = true;
	s->shutdown.data = s;
	if (uv_shutdown(&s->shutdown, &s->uv.stream, on_shutdown)) stream_close_now(s, ERR_CLOSED);
}

void stream_close(struct stream *s)
{
	if (s->closing || s->finishing) return;
	if (s->tls) tls_stream_close(s);
	if (s->closing) return;
	if (stream_pending(s) == 0) {
		stream_close_now(s, ERR_NONE);
		return;
	}
	s->finishing = true;
	if (s->started) uv_read_stop(&s->uv.stream);
}

void stream_abort(struct stream *s)
{
	if (s->closing) return;
	if (s->uv.handle.type == UV_TCP && !s->shut && s->started) {
		s->closing = true;
		s->why = ERR_NONE;
		if (uv_tcp_close_reset(&s->uv.tcp, on_closed) == 0) return;
		s->closing = false;
	}
	stream_close_now(s, ERR_NONE);
}
