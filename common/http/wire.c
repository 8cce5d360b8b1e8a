/* llhttp, kept on a short lead: it sees one whole, already scanned head at a time and is set up anew for each message, so that
 * nothing behind a message can change how the message itself is read. Content never reaches it. */
#include "common/http/wire.h"

#include <stdlib.h>

#include <llhttp.h>

#include "common/http/chunks.h"

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
	struct chunks chunks;
};

static int on_field(llhttp_t *parser, const char *at, size_t n)
{
	struct wire *w = parser->data;
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
	if (w->count == 0) return 0;
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
	return 1; /* content is read by the caller */
}

/* The head is all there is. */
static int on_complete(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head_complete,
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
	w->too_many = w->head_done = false;
	w->chunks = (struct chunks){ 0 };
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

enum err wire_chunked(struct wire *w, struct str *bytes, struct buf *body, size_t bytes_max, bool *complete)
{
	enum err e = chunks_take(&w->chunks, bytes, body, bytes_max);
	*complete = e == ERR_NONE && w->chunks.state == CHUNKS_COMPLETE;
	return e;
}
