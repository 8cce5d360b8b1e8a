#ifndef TESTS_UNIT_HTTP_PEER_H
#define TESTS_UNIT_HTTP_PEER_H

/* A raw connection on the test's own loop: what it sends and receives are bytes, not messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/core/clock.h"
#include "common/net/stream.h"

struct peer {
	struct loop *loop;
	struct stream *stream;
	struct buf got;
	bool ended, closed, connected;
	void (*on_bytes)(struct peer *p); /* called when bytes came; may be NULL */
	void *user;
};

static void peer_data(void *arg, struct str bytes)
{
	struct peer *p = arg;
	buf_str(&p->got, bytes);
	if (p->on_bytes) p->on_bytes(p);
}

static void peer_end(void *arg)
{
	struct peer *p = arg;
	p->ended = true;
	stream_close(p->stream);
}

static void peer_closed(void *arg, enum err why)
{
	struct peer *p = arg;
	(void)why;
	p->closed = true;
	p->stream = NULL;
}

static void peer_connected(void *arg, enum err status)
{
	struct peer *p = arg;
	p->connected = status == ERR_NONE;
}

static const struct stream_events peer_events = { peer_data, peer_end, NULL, peer_closed };

static inline void peer_open(struct peer *p, struct loop *l, struct str address)
{
	*p = (struct peer){ .loop = l, .got.max = 64 << 20 };
	assert_int_equal(stream_connect(l, address, peer_connected, &peer_events, p, &p->stream), ERR_NONE);
}

static inline void peer_send(struct peer *p, struct str bytes)
{
	assert_int_equal(stream_write(p->stream, &bytes, 1), ERR_NONE);
}

/* "200 400 " for two answers, by their status lines; a marker that no body of ours contains. */
static inline const char *peer_statuses(const struct peer *p)
{
	static char text[512];
	size_t n = 0;
	struct str rest = buf_view(&p->got);
	text[0] = 0;
	while (rest.n >= 12 && n + 5 < sizeof text) {
		const char *at = memmem(rest.p, rest.n, "HTTP/1.1 ", 9);
		if (!at || (size_t)(rest.p + rest.n - at) < 12) break;
		memcpy(text + n, at + 9, 3);
		text[n + 3] = ' ';
		n += 4;
		text[n] = 0;
		rest = str_from(rest, (size_t)(at - rest.p) + 12);
	}
	return text;
}

static inline bool peer_has(const struct peer *p, const char *text)
{
	return str_contains(buf_view(&p->got), str_of(text));
}

static inline void on_overdue(void *arg)
{
	(void)arg;
	fail_msg("nothing happened for too long");
}

/* Runs the loop until *flag; fails after 10 s. The flag is looked at once per millisecond. */
struct until {
	struct loop *loop;
	const bool *flag;
	int64_t give_up_ms;
};

static inline void look(void *arg)
{
	struct until *u = arg;
	if (*u->flag) loop_stop(u->loop);
	if (clock_mono_ms() > u->give_up_ms) on_overdue(NULL);
}

static inline void run_until(struct loop *l, const bool *flag)
{
	struct until u = { l, flag, clock_mono_ms() + 10000 };
	struct timer *t = timer_new(l, look, &u);
	timer_start(t, 1, 1);
	loop_run(l);
	timer_free(t);
}

static inline void peer_free(struct peer *p)
{
	if (p->stream) {
		stream_abort(p->stream);
		run_until(p->loop, &p->closed);
	}
	buf_free(&p->got);
}

#endif
