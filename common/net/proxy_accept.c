/*
 * Before anybody above hears of such a connection: is the other end a proxy of ours, and what does it say of the client? Whoever is not
 * trusted, or does not begin with a head, is cut without a word: who may say whose request it is, and who need not, is no guess.
 */
#include "common/net/proxy_accept.h"

#include <stdlib.h>

#include "common/net/proxy_header.h"
#include "common/net/tls_stream.h"

enum { WAITING_MAX = 4096, WAIT_MS = 5000, TICK_MS = 500 };

struct proxy_accept {
	struct loop *loop;
	bool (*trusts)(void *arg, struct str peer);
	void *trusts_arg;
	void (*accepted)(void *arg, struct stream *s);
	void *arg;
	struct list waiting; /* oldest first */
	unsigned count;
	uint64_t refused;
	struct timer *tick; /* running while somebody waits */
};

struct proxy_link {
	struct list link; /* in accept->waiting */
	struct proxy_accept *accept; /* NULL: gone */
	struct stream *stream;
	int64_t began_ms;
	struct buf bytes;
};

static void leave(struct proxy_link *p)
{
	struct proxy_accept *a = p->accept;
	if (!a) return;
	list_remove(&p->link);
	p->accept = NULL;
	if (--a->count == 0) timer_stop(a->tick);
}

static void refuse(struct proxy_link *p)
{
	if (p->accept) p->accept->refused++;
	leave(p);
	stream_close_now(p->stream, ERR_PROTOCOL);
}

static void forget(struct proxy_link *p)
{
	buf_free(&p->bytes);
	free(p);
}

/* From here on it is a connection like any other, which begins behind the head. */
static void pass(struct proxy_link *p, const struct proxy_header *header)
{
	struct proxy_accept *a = p->accept;
	struct stream *s = p->stream;
	struct str rest = str_from(buf_view(&p->bytes), header->bytes);
	leave(p);
	if (header->source[0]) memcpy(s->peer, header->source, sizeof header->source);
	s->events = (struct stream_events){ 0 };
	s->arg = NULL;
	a->accepted(a->arg, s);
	if (rest.n && !s->closing && !s->finishing) {
		if (s->tls)
			tls_stream_read(s, rest);
		else
			s->events.data(s->arg, rest);
	}
	forget(p);
}

static void on_data(void *arg, struct str bytes)
{
	struct proxy_link *p = arg;
	struct proxy_header header;
	if (!p->accept) return;
	buf_str(&p->bytes, bytes);
	enum proxy_header_state state = proxy_header_read(buf_view(&p->bytes), &header);
	if (state == PROXY_HEADER_BAD || !buf_ok(&p->bytes))
		refuse(p);
	else if (state == PROXY_HEADER_DONE)
		pass(p, &header);
}

static void on_closed(void *arg, enum err why)
{
	struct proxy_link *p = arg;
	(void)why;
	if (p->accept) p->accept->refused++;
	leave(p);
	forget(p);
}

static void on_tick(void *arg)
{
	struct proxy_accept *a = arg;
	int64_t now_ms = loop_now_ms(a->loop);
	while (!list_empty(&a->waiting)) {
		struct proxy_link *p = CONTAINER_OF(a->waiting.next, struct proxy_link, link);
		if (now_ms - p->began_ms < WAIT_MS) return;
		refuse(p);
	}
}

struct proxy_accept *proxy_accept_new(struct loop *l, bool (*trusts)(void *arg, struct str peer), void *trusts_arg,
    void (*accepted)(void *arg, struct stream *s), void *arg)
{
	struct proxy_accept *a = calloc(1, sizeof *a);
	CHECK(a != NULL);
	*a = (struct proxy_accept){
		.loop = l, .trusts = trusts, .trusts_arg = trusts_arg, .accepted = accepted, .arg = arg
	};
	list_init(&a->waiting);
	a->tick = timer_new(l, on_tick, a);
	return a;
}

void proxy_accept_stream(struct proxy_accept *a, struct stream *s)
{
	static const struct stream_events events = { on_data, NULL, NULL, on_closed };
	if (!a->trusts(a->trusts_arg, stream_peer(s))) {
		a->refused++;
		stream_close_now(s, ERR_PROTOCOL);
		return;
	}
	if (a->count >= WAITING_MAX) refuse(CONTAINER_OF(a->waiting.next, struct proxy_link, link));
	struct proxy_link *p = calloc(1, sizeof *p);
	CHECK(p != NULL);
	*p = (struct proxy_link){ .accept = a, .stream = s, .began_ms = loop_now_ms(a->loop) };
	buf_init(&p->bytes, PROXY_HEADER_BYTES_MAX + READ_BYTES);
	list_push(&a->waiting, &p->link);
	if (a->count++ == 0) timer_start(a->tick, TICK_MS, TICK_MS);
	s->events = events;
	s->arg = p;
	stream_read_on(s);
}

unsigned proxy_accept_count(const struct proxy_accept *a)
{
	return a->count;
}

uint64_t proxy_accept_refused(const struct proxy_accept *a)
{
	return a->refused;
}

void proxy_accept_free(struct proxy_accept *a)
{
	while (!list_empty(&a->waiting)) refuse(CONTAINER_OF(a->waiting.next, struct proxy_link, link));
	timer_free(a->tick);
	free(a);
}
