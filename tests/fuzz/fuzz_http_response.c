/* Replies of a service, cut anywhere, must be read the same as in one piece, within their bounds. */
/* links: http */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/http/upstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 400, CALLS = 3 };

struct reader {
	struct upstream pool;
	struct channel channel;
	struct buf *trace;
	uint32_t last_id;
	bool head_request;
	bool over;
	char id[9];
};

/* Some calls are always open, so that a reply may name any of them: 00000001 and so on. */
static void ask(struct reader *r)
{
	while (r->channel.in_flight < CALLS) {
		struct upstream_call *call = call_new(&r->pool);
		call->head_request = r->head_request;
		(void)snprintf(r->id, sizeof r->id, "%08x", ++r->last_id);
		memcpy(call->id, r->id, sizeof call->id);
		call->state = CALL_SENT;
		list_push(&r->channel.sent, &call->link);
		r->channel.in_flight++;
	}
}

static void forget(struct reader *r, struct upstream_call *call)
{
	list_remove(&call->link);
	r->channel.in_flight--;
	call_forget(call);
}

/* The reply is whole. */
static void take_reply(struct reader *r)
{
	struct upstream_call *call = r->channel.reading;
	CHECK(call != NULL);
	const struct http_reply *reply = &call->reply;
	CHECK((reply->status >= 200 && reply->status <= 599) || reply->status == 999);
	CHECK(reply->body.n <= BODY_MAX && reply->body.p != NULL);
	buf_printf(r->trace, "%.8s %d ", call->id, reply->status);
	buf_str(r->trace, reply->reason);
	for (unsigned i = 0; i < reply->fields.count; i++) {
		buf_str(r->trace, reply->fields.items[i].name);
		buf_char(r->trace, ':');
		buf_str(r->trace, reply->fields.items[i].value);
		buf_char(r->trace, '\n');
	}
	buf_str(r->trace, reply->body);
	buf_char(r->trace, '\n');
	forget(r, call);
	reply_begin(&r->channel);
}

static void feed(struct reader *r, struct str bytes)
{
	while (bytes.n && !r->over) {
		ask(r);
		enum reply_step step = reply_step(&r->channel, &bytes);
		if (step == REPLY_BROKEN) BUF_LIT(r->trace, "broken");
		if (step == REPLY_DONE) take_reply(r);
		r->over = step == REPLY_BROKEN || (step == REPLY_DONE && r->channel.retires);
	}
}

static void read_all(
    const uint8_t *data, size_t size, const uint8_t *cuts, size_t cut_count, uint8_t kind, struct buf *trace)
{
	struct reader r = { .pool.config = { .reply_bytes_max = BODY_MAX, .any_order = kind & 0x40 },
		.trace = trace,
		.head_request = kind & 0x80 };
	list_init(&r.pool.live);
	list_init(&r.pool.spare);
	list_init(&r.channel.sent);
	r.channel.wire = wire_new();
	reply_begin(&r.channel);
	ask(&r);
	for (size_t at = 0, i = 0; at < size && !r.over; i++) {
		size_t n = cut_count ? (size_t)(1 + cuts[i % cut_count] % 64) : size;
		if (n > size - at) n = size - at;
		char *piece = malloc(n);
		CHECK(piece != NULL);
		memcpy(piece, data + at, n);
		feed(&r, str_span(piece, n));
		memset(piece, 'Z', n);
		free(piece);
		at += n;
	}
	if (!r.over && reply_ends_with_connection(&r.channel)) take_reply(&r);
	for (struct list *i; (i = list_first(&r.channel.sent));)
		forget(&r, CONTAINER_OF(i, struct upstream_call, link));
	for (struct list *i; (i = list_shift(&r.pool.spare));) call_free(CONTAINER_OF(i, struct upstream_call, link));
	wire_free(r.channel.wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { CUTS = 4 };
	struct buf whole, cut;
	if (size < CUTS || size > 8192) return 0;
	buf_init(&whole, 1 << 20);
	buf_init(&cut, 1 << 20);
	read_all(data + CUTS, size - CUTS, NULL, 0, data[0], &whole);
	read_all(data + CUTS, size - CUTS, data, CUTS, data[0], &cut);
	CHECK(str_eq(buf_view(&whole), buf_view(&cut)));
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
