/* llhttp, kept on a short lead: it sees one whole, already scanned head at a time and is set up anew for each message, so that
 * nothing behind a message can change how the message itself is read. Only chunked content is decoded by it piece by piece. */
#include "common/http/wire.h"

#include <stdlib.h>

#include <llhttp.h>

/* Chunk lines, extensions and trailers may be at most this much, plus this many bytes for each byte of content. */
enum { CHUNK_OVERHEAD_BYTES = 8192, CHUNK_OVERHEAD_RATIO = 8 };
/* A field line longer than this is not worth reading twice; at its end there are a CR and perhaps blanks. */
enum { LONG_LINE_BYTES = 96, VALUE_END_BYTES = 8 };

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
	/* The second piece of a long value ends it; what lies between was left out (feed_head). */
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

/* What llhttp itself acts on, and must see every byte of. */
static bool is_acted_on(struct str name)
{
	static const struct str names[] = { { "connection", 10 }, { "content-length", 14 }, { "transfer-encoding", 17 },
		{ "upgrade", 7 }, { "proxy-connection", 16 } };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_ci(name, names[i])) return true;
	return false;
}

/* Of the inside of a long value (a token, a sealed identity) llhttp learns nothing: head_scan has seen that all of it may stand in
 * a value. It gets the value's first byte and its last ones; on_value joins them. *rest: where it goes on; NULL: no such line. */
static const char *skippable(struct str line, const char **rest)
{
	const char *colon = line.n > LONG_LINE_BYTES ? memchr(line.p, ':', line.n) : NULL;
	if (!colon || is_acted_on(str_trim(str_span(line.p, (size_t)(colon - line.p))))) return NULL;
	const char *end = line.p + line.n, *value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t')) value++;
	*rest = end - VALUE_END_BYTES;
	return value + 1 < *rest ? value + 1 : NULL;
}

static enum llhttp_errno feed_head(struct wire *w, struct str head)
{
	const char *fed = head.p, *end = head.p + head.n, *line = memchr(head.p, '\n', head.n), *lf;
	for (; line && (lf = memchr(line + 1, '\n', (size_t)(end - line - 1))); line = lf) {
		const char *rest, *until = skippable(str_span(line + 1, (size_t)(lf - line - 1)), &rest);
		if (!until) continue;
		enum llhttp_errno e = llhttp_execute(&w->llhttp, fed, (size_t)(until - fed));
		if (e != HPE_OK) return e;
		fed = rest;
	}
	return llhttp_execute(&w->llhttp, fed, (size_t)(end - fed));
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
	enum llhttp_errno e = feed_head(w, head);
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
