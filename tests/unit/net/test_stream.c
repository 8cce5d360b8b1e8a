/* Streams over real sockets: echo, half-close, back-pressure, refusal, address syntax, stale and live Unix paths. */
#include <setjmp.h>
#include <string.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/net/stream.h"

static struct loop *loop;
static struct listener *listener;

/* One end of a connection and what happened to it. */
struct end {
	struct stream *stream;
	struct buf got;
	bool ended, closed, drained, connected;
	enum err why, connect_status;
	size_t stop_after; /* close everything once so many bytes arrived */
	bool echo;
};

static struct end near_end, far_end;
static char text_address[64];

static void on_data(void *arg, struct str bytes)
{
	struct end *e = arg;
	buf_str(&e->got, bytes);
	if (e->echo) assert_int_equal(stream_write(e->stream, &bytes, 1), ERR_NONE);
	if (e->stop_after && e->got.n >= e->stop_after) stream_close(e->stream);
}

static void on_end(void *arg)
{
	struct end *e = arg;
	e->ended = true;
	if (e->echo) {
		struct str bye = STR("bye");
		enum err err =
		    stream_write(e->stream, &bye, 1); /* a peer that closed altogether shows here on Unix sockets */
		assert_true(err == ERR_NONE || err == ERR_CLOSED);
	}
	stream_close(e->stream);
}

static void on_drained(void *arg)
{
	((struct end *)arg)->drained = true;
}

static void on_closed(void *arg, enum err why)
{
	struct end *e = arg;
	assert_false(e->closed);
	e->closed = true;
	e->why = why;
	e->stream = NULL;
}

static const struct stream_events events = { on_data, on_end, on_drained, on_closed };

static void on_accepted(void *arg, struct stream *s)
{
	(void)arg;
	far_end.stream = s;
	stream_start(s, &events, &far_end);
	listener_close(listener);
	listener = NULL;
}

static void on_connected(void *arg, enum err status)
{
	struct end *e = arg;
	assert_false(e->connected);
	e->connected = true;
	e->connect_status = status;
}

static void open_at(const char *address)
{
	loop = loop_new();
	near_end = (struct end){ .got.max = 64 << 20 };
	far_end = (struct end){ .got.max = 64 << 20 };
	assert_int_equal(listener_open(loop, str_of(address), true, on_accepted, NULL, &listener), ERR_NONE);
	if (listener_port(listener)) {
		snprintf(text_address, sizeof text_address, "127.0.0.1:%d", listener_port(listener));
	} else {
		snprintf(text_address, sizeof text_address, "%s", address);
	}
	assert_int_equal(
	    stream_connect(loop, str_of(text_address), on_connected, &events, &near_end, &near_end.stream), ERR_NONE);
}

static void finish(void)
{
	loop_run(loop);
	assert_true(near_end.closed);
	loop_free(loop);
	buf_free(&near_end.got);
	buf_free(&far_end.got);
}

static void echo_over(const char *address)
{
	open_at(address);
	far_end.echo = true;
	struct str parts[2] = { STR("hello "), STR("world") };
	near_end.stop_after = 11;
	assert_int_equal(stream_write(near_end.stream, parts, 2), ERR_NONE); /* before the connection stands */
	finish();
	assert_int_equal(near_end.connect_status, ERR_NONE);
	assert_int_equal(near_end.why, ERR_NONE);
	assert_true(far_end.closed);
	assert_int_equal(near_end.got.n, 0); /* freed by finish, emptied */
}

/* "unix:/tmp/…" of this process, so that two runs do not meet. */
static const char *own_path(const char *name)
{
	static char path[80];
	snprintf(path, sizeof path, "unix:/tmp/test_stream_%s_%d.sock", name, (int)getpid());
	return path;
}

static void test_echo_over_tcp(void **state)
{
	(void)state;
	echo_over("127.0.0.1:0");
}

static void test_echo_over_unix(void **state)
{
	struct stat st;
	(void)state;
	echo_over(own_path("echo"));
	assert_int_not_equal(stat(own_path("echo") + 5, &st), 0); /* removed on close */
}

static void test_half_closed_peer_is_answered(void **state)
{
	(void)state;
	open_at("127.0.0.1:0");
	far_end.echo = true;
	near_end.stop_after = 6;
	struct str hello = STR("end");
	assert_int_equal(stream_write(near_end.stream, &hello, 1), ERR_NONE);
	stream_end(near_end.stream);
	assert_int_equal(stream_write(near_end.stream, &hello, 1), ERR_CLOSED);
	loop_run(loop);
	assert_true(far_end.ended);
	assert_memory_equal(near_end.got.p, "endbye", 6);
	finish();
}

static void test_large_writes_arrive_whole(void **state)
{
	enum { BYTES = 6 << 20 };
	(void)state;
	open_at("127.0.0.1:0");
	struct buf big;
	buf_init(&big, BYTES);
	char *p = buf_reserve(&big, BYTES);
	for (size_t i = 0; i < BYTES; i++) p[i] = (char)(i * 7 + i / 251);
	big.n = BYTES;
	char *again = malloc(BYTES);
	assert_non_null(again);
	memcpy(again, p, BYTES);
	struct str copied = str_span(again, BYTES);
	assert_int_equal(stream_write(near_end.stream, &copied, 1), ERR_NONE);
	assert_int_equal(stream_write_buf(near_end.stream, &big), ERR_NONE);
	assert_null(big.p); /* taken */
	assert_int_equal(stream_pending(near_end.stream), 2 * BYTES);
	assert_int_equal(stream_write(near_end.stream, &copied, 1), ERR_BUSY);
	stream_close(near_end.stream);
	assert_int_equal(stream_write(near_end.stream, &copied, 1), ERR_CLOSED);
	loop_run(loop);
	/* Closed while it was still connecting: nothing was sent, and both callbacks told so. */
	assert_int_equal(near_end.connect_status, ERR_ABORTED);
	finish();

	open_at("127.0.0.1:0");
	far_end.stop_after = BYTES;
	assert_int_equal(stream_write(near_end.stream, &copied, 1), ERR_NONE);
	loop_run(loop);
	assert_int_equal(far_end.got.n, BYTES);
	assert_memory_equal(far_end.got.p, again, BYTES);
	assert_true(near_end.drained);
	finish();
	free(again);
}

static void test_refused_connection_says_so(void **state)
{
	(void)state;
	loop = loop_new();
	near_end = (struct end){ .got.max = 16 };
	far_end = near_end;
	assert_int_equal(stream_connect(loop, STR("unix:/tmp/test_stream_nobody"), on_connected, &events, &near_end,
			     &near_end.stream),
	    ERR_NONE);
	finish();
	assert_int_equal(near_end.connect_status, ERR_IO);
	assert_int_equal(near_end.why, ERR_IO);
}

static void test_addresses_are_strict(void **state)
{
	static const char *const bad[] = { "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
		"127.0.0.1:80x", "localhost:80", ":80", "127.1:80", "[::1]", "[::1:80", "::1:80", "[]:80",
		"unix:", "unix:x", "unix:/", "127.0.0.1:000080", "127.0.0.1 :80",
		"unix:/"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaa" };
	struct stream *s;
	struct loop *l = loop_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct listener *ln;
		assert_int_equal(stream_connect(l, str_of(bad[i]), on_connected, &events, &near_end, &s), ERR_SYNTAX);
		assert_int_equal(listener_open(l, str_of(bad[i]), false, on_accepted, NULL, &ln), ERR_IO);
	}
	struct listener *six;
	assert_int_equal(listener_open(l, STR("[::1]:0"), false, on_accepted, NULL, &six), ERR_NONE);
	assert_int_not_equal(listener_port(six), 0);
	listener_close(six);
	loop_free(l);
}

static void test_unix_path_stale_and_live(void **state)
{
	const char *path = own_path("stale") + 5;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct loop *l = loop_new();
	struct listener *first, *second;
	(void)state;
	memcpy(a.sun_path, path, strlen(path) + 1);
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	close(fd); /* the file stays, nobody listens */
	assert_int_equal(listener_open(l, str_of(own_path("stale")), false, on_accepted, NULL, &first), ERR_NONE);
	assert_int_equal(listener_open(l, str_of(own_path("stale")), false, on_accepted, NULL, &second), ERR_IO);
	/* Another process took the path over: closing ours must not remove its file. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(listener_open(l, str_of(own_path("stale")), false, on_accepted, NULL, &second), ERR_NONE);
	listener_close(first);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	listener_close(second);
	assert_int_not_equal(stat(path, &st), 0);
	loop_free(l);
}

static void test_loop_free_closes_forgotten_streams(void **state)
{
	(void)state;
	open_at("127.0.0.1:0");
	listener_close(listener);
	loop_free(loop);
	assert_true(near_end.closed);
	assert_int_equal(near_end.connect_status, ERR_ABORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_over_tcp),
		cmocka_unit_test(test_echo_over_unix),
		cmocka_unit_test(test_half_closed_peer_is_answered),
		cmocka_unit_test(test_large_writes_arrive_whole),
		cmocka_unit_test(test_refused_connection_says_so),
		cmocka_unit_test(test_addresses_are_strict),
		cmocka_unit_test(test_unix_path_stale_and_live),
		cmocka_unit_test(test_loop_free_closes_forgotten_streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
