/* Replies of a service, cut anywhere, must be read the same as in one piece, within their bounds. */
/* links: http */
#include <stdint.h>
#include <stdlib.h>

#include "common/http/upstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 400 };

struct reader {
	struct upstream pool;
	struct channel channel;
	struct upstream_call *call;
	struct buf *trace;
	bool over;
};

static void note_reply(struct reader *r)
{
	const struct http_reply *reply = &r->call->reply;
	CHECK((reply->status >= 200 && reply->status <= 599) || reply->status == 999);
	CHECK(reply->body.n <= BODY_MAX && reply->body.p != NULL);
	buf_printf(r->trace, "%d ", reply->status);
	for (unsigned i = 0; i < reply->fields.count; i++) {
		buf_str(r->trace, reply->fields.items[i].name);
		buf_char(r->trace, ':');
		buf_str(r->trace, reply->fields.items[i].value);
		buf_char(r->trace, '\n');
	}
	buf_str(r->trace, reply->body);
	buf_char(r->trace, '\n');
}

static void next_call(struct reader *r, bool head_request)
{
	if (r->call) {
		list_remove(&r->call->link);
		call_forget(r->call);
	}
	r->call = call_new(&r->pool);
	list_push(&r->channel.sent, &r->call->link);
	r->call->head_request = head_request;
	reply_begin(&r->channel);
}

static void feed(struct reader *r, struct str bytes)
{
	while (bytes.n && !r->over) {
		enum reply_step step = reply_step(&r->channel, &bytes);
		if (step == REPLY_BROKEN) BUF_LIT(r->trace, "broken");
		if (step == REPLY_DONE) {
			note_reply(r);
			next_call(r, r->call->head_request);
		}
		r->over = step == REPLY_BROKEN || (step == REPLY_DONE && r->channel.retires);
	}
}

static void read_all(
    const uint8_t *data, size_t size, const uint8_t *cuts, size_t cut_count, bool head_request, struct buf *trace)
{
	struct reader r = { .pool.config.reply_bytes_max = BODY_MAX, .trace = trace };
	list_init(&r.pool.live);
	list_init(&r.pool.spare);
	list_init(&r.channel.sent);
	r.channel.wire = wire_new();
	next_call(&r, head_request);
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
	if (!r.over && reply_ends_with_connection(&r.channel)) note_reply(&r);
	list_remove(&r.call->link);
	call_forget(r.call);
	for (struct list *i; (i = list_shift(&r.pool.spare));) call_free(CONTAINER_OF(i, struct upstream_call, link));
	wire_free(r.channel.wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { CUTS = 4 };
	struct buf whole, cut;
	if (size < CUTS || size > 8192) return 0;
	bool head_request = data[0] & 0x80;
	buf_init(&whole, 1 << 20);
	buf_init(&cut, 1 << 20);
	read_all(data + CUTS, size - CUTS, NULL, 0, head_request, &whole);
	read_all(data + CUTS, size - CUTS, data, CUTS, head_request, &cut);
	CHECK(str_eq(buf_view(&whole), buf_view(&cut)));
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
