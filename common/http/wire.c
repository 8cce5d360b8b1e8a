/* llhttp, kept on a short lead: it sees one whole, already scanned head at a time and is set up anew for each message, so that
 * nothing behind a message can change how the message itself is read. Only chunked content is decoded by it piece by piece. */
#include "common/http/wire.h"

#include <stdlib.h>

#include <llhttp.h>

/* Chunk lines, extensions and trailers may be at most this much, plus this many bytes for each byte of content. */
enum { CHUNK_OVERHEAD_BYTES = 8192, CHUNK_OVERHEAD_RATIO = 8 };

struct wire {
	llhttp_t llhttp;
	struct http_field *items;
	unsigned count;
	unsigned count_max;
	bool too_many;
	bool head_done;
	bool keep_alive;
	bool
	    last_chunk; /* seen: trailers follow, which we scan ourselves, for llhttp takes folded lines and bare LF there */
	struct head_scan trailer;
	struct buf *body;
	size_t body_max;
	size_t overhead;
	enum err failure;
};

static int on_field(llhttp_t *parser, const char *at, size_t n)
{
	struct wire *w = parser->data;
	if (w->head_done) return 0; /* a trailer: dropped */
	if (w->count == w->count_max) {
		w->too_many = true;
		return HPE_USER;
	}
	w->items[w->count++] = (struct http_field){ { at, n }, { at + n, 0 } };
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t n)
{
	struct wire *w = parser->data;
	if (w->head_done || w->count == 0) return 0;
	struct str *value = &w->items[w->count - 1].value;
	/* One value comes in one piece, since the head is in one piece; but if ever not, the pieces adjoin. */
	*value = value->n ? str_span(value->p, (size_t)(at + n - value->p)) : str_span(at, n);
	return 0;
}

static int on_head_complete(llhttp_t *parser)
{
	struct wire *w = parser->data;
	w->head_done = true;
	w->keep_alive = parser->type == HTTP_REQUEST
			    ? llhttp_should_keep_alive(parser)
			    : (parser->flags & F_CONNECTION_CLOSE) == 0 &&
				  (parser->http_minor > 0 || (parser->flags & F_CONNECTION_KEEP_ALIVE));
	parser->upgrade = 0; /* an offer to change protocols is ignored (RFC 9110 7.8) */
	return (parser->flags & F_CHUNKED) ? 0 : 1; /* content with a length is counted by the caller */
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
	struct wire *w = parser->data;
	buf_append(w->body, at, n);
	return buf_ok(w->body) ? 0 : HPE_USER;
}

static int on_chunk(llhttp_t *parser)
{
	struct wire *w = parser->data;
	if (parser->content_length == 0) {
		w->last_chunk = true;
		return HPE_PAUSED;
	}
	if (parser->content_length <= w->body_max - w->body->n) return 0;
	w->failure = ERR_PAYLOAD_TOO_LARGE;
	return -1;
}

/* The head's slice ends the message when it has no chunks. */
static int on_complete(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head_complete,
	.on_body = on_body,
	.on_chunk_header = on_chunk,
	.on_message_complete = on_complete,
};

struct wire *wire_new(void)
{
	struct wire *w = calloc(1, sizeof *w);
	CHECK(w != NULL);
	return w;
}

void wire_free(struct wire *w)
{
	free(w);
}

enum err wire_head(struct wire *w, enum wire_kind kind, struct str head, struct http_field *items, unsigned *count)
{
	llhttp_init(&w->llhttp, kind == WIRE_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
	w->llhttp.data = w;
	w->items = items;
	w->count = 0;
	w->count_max = *count;
	w->too_many = w->head_done = w->last_chunk = false;
	w->trailer = (struct head_scan){ .first_line = 1 }; /* an empty line ends it, even the first */
	w->overhead = 0;
	w->failure = ERR_NONE;
	enum llhttp_errno e = llhttp_execute(&w->llhttp, head.p, head.n);
	*count = w->count;
	if (w->too_many) return ERR_HEADERS_TOO_LARGE;
	if (e == HPE_INVALID_METHOD) return ERR_NOT_IMPLEMENTED;
	if ((e != HPE_OK && e != HPE_PAUSED) || !w->head_done) return ERR_MALFORMED_REQUEST;
	if (e == HPE_PAUSED && llhttp_get_error_pos(&w->llhttp) != head.p + head.n) return ERR_MALFORMED_REQUEST;
	for (unsigned i = 0; i < w->count; i++) {
		if (items[i].name.n == 0) return ERR_MALFORMED_REQUEST; /* llhttp lets ": value" pass */
		items[i].value = str_trim(items[i].value);
	}
	return ERR_NONE;
}

bool wire_keep_alive(const struct wire *w)
{
	return w->keep_alive;
}

static enum err take_chunks(struct wire *w, struct str *bytes)
{
	size_t had = w->body->n;
	enum llhttp_errno e = llhttp_execute(&w->llhttp, bytes->p, bytes->n);
	size_t used = bytes->n;
	if (e == HPE_PAUSED && w->last_chunk) {
		used = (size_t)(llhttp_get_error_pos(&w->llhttp) - bytes->p);
	} else if (e != HPE_OK) {
		return w->failure ? w->failure : ERR_MALFORMED_REQUEST;
	}
	w->overhead += used - (w->body->n - had);
	*bytes = str_from(*bytes, used);
	return ERR_NONE;
}

static enum err take_trailer(struct wire *w, struct str *bytes, bool *complete)
{
	w->trailer.at = 0;
	enum head_state state = head_scan(&w->trailer, *bytes);
	w->overhead += w->trailer.at;
	*bytes = str_from(*bytes, w->trailer.at);
	*complete = state == HEAD_COMPLETE;
	return state == HEAD_BAD ? ERR_MALFORMED_REQUEST : ERR_NONE;
}

enum err wire_chunked(struct wire *w, struct str *bytes, struct buf *body, size_t bytes_max, bool *complete)
{
	*complete = false;
	w->body = body;
	w->body_max = bytes_max;
	if (!w->last_chunk) TRY(take_chunks(w, bytes));
	if (w->last_chunk) TRY(take_trailer(w, bytes, complete));
	return w->overhead > CHUNK_OVERHEAD_BYTES + CHUNK_OVERHEAD_RATIO * body->n ? ERR_PAYLOAD_TOO_LARGE : ERR_NONE;
}
