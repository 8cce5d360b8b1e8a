/* Reads replies. As strict as the server's side: the peer is one of our own processes, and what is odd is broken. A reply is copied
 * once, into the memory of its call, because the answer goes out later than the read (client.h). */
#include "common/http/upstream.h"

/* "HTTP/1.1 200 " */
enum { REASON_AT = 13 };
enum { REPLY_HEAD_BYTES_MAX = 32 * 1024, REPLY_FIELDS_MAX = 128, INTERIM_MAX = 8 };

void reply_begin(struct channel *ch)
{
	ch->scan = (struct head_scan){ 0 };
	ch->in_body = ch->until_close = false;
	ch->reading = NULL;
}

static bool is_bodiless(const struct upstream_call *call, int status)
{
	return call->head_request || status == 204 || status == 304;
}

/* The call that the reply names, else the oldest. A peer names all of a connection's calls or none: an answer that does otherwise, or
 * that names two, could be anybody's. */
static struct upstream_call *find_call(struct channel *ch, struct upstream_call *oldest)
{
	if (!oldest->upstream->config.any_order) return oldest;
	unsigned names = http_count(oldest->reply.fields, STR(CALL_FIELD));
	if (names > 1 || (names ? ch->names_none : ch->names_calls)) return NULL;
	ch->names_none = !names;
	ch->names_calls = names;
	if (!names) return oldest;
	struct str id = http_get(oldest->reply.fields, STR(CALL_FIELD));
	for (struct list *i = ch->sent.next; i != &ch->sent && id.n == sizeof oldest->id; i = i->next) {
		struct upstream_call *call = CONTAINER_OF(i, struct upstream_call, link);
		if (memcmp(call->id, id.p, sizeof call->id) == 0) return call;
	}
	return NULL;
}

static enum reply_step finish_head(struct channel *ch, struct upstream_call *call)
{
	if (ch->line.status < 200) {
		/* 100, 102, 103 are not for us; 101 was never asked for. */
		if (ch->line.status == 101 || ++ch->interim > INTERIM_MAX) return REPLY_BROKEN;
		if (call->interim) call->interim(call->arg, ch->line.status, call->reply.fields);
		arena_reset(&call->arena);
		buf_reset(&call->raw);
		reply_begin(ch);
		return REPLY_MORE;
	}
	struct upstream_call *named = find_call(ch, call);
	if (!named) return REPLY_BROKEN;
	if (named != call) call_swap_reply(named, call);
	call = ch->reading = named;
	ch->interim = 0;
	ch->in_body = true;
	call->reply.status = ch->line.status;
	call->reply.body = STR("");
	size_t bytes_max = call->upstream->config.reply_bytes_max;
	if (is_bodiless(call, ch->line.status)) {
		ch->framing = (struct framing){ .has_length = true };
	} else if (!ch->framing.has_length && !ch->framing.chunked) {
		ch->until_close = true;
	}
	if (ch->framing.has_length && ch->framing.length > bytes_max) return REPLY_BROKEN;
	call->body.max = bytes_max;
	return REPLY_MORE;
}

/* A coding that is not chunked, alone. */
static bool has_unknown_coding(struct http_fields f)
{
	struct str coding = http_get(f, STR("transfer-encoding")), part;
	if (!coding.p || http_count(f, STR("transfer-encoding")) > 1 || http_get(f, STR("content-length")).p)
		return false;
	while (str_cut(&coding, ',', &part)) {
		part = str_trim(part);
		if (part.n >= 7 && str_eq_ci(str_span(part.p, 7), STR("chunked"))) return false;
	}
	return true;
}

static bool parse_framing(struct channel *ch, const struct upstream_call *call)
{
	if (!call->any_coding || ch->line.http_1_0 || !has_unknown_coding(call->reply.fields))
		return framing_parse(call->reply.fields, ch->line.http_1_0, &ch->framing) == ERR_NONE;
	ch->framing = (struct framing){ 0 };
	ch->retires = true;
	return true;
}

/* Judged as soon as it is there, since what speaks another protocol may never end a head; and once more where the head stays, for the
 * reason phrase points into it. */
static bool parse_line(struct channel *ch, struct str view)
{
	size_t end = ch->scan.first_line;
	if (ch->scan.start) return false;
	return !end || status_line_parse(str_span(view.p, end - 2), &ch->line) == ERR_NONE;
}

static bool parse_head(struct channel *ch, struct upstream_call *call, struct str head)
{
	unsigned count = ch->scan.lines - 1;
	if (count > REPLY_FIELDS_MAX || !parse_line(ch, head)) return false;
	struct http_field *items = arena_array(&call->arena, count + 1, sizeof *items);
	if (!items || wire_head(ch->wire, WIRE_REPLY, head, items, &count)) return false;
	call->reply.fields = (struct http_fields){ items, count };
	call->reply.reason = str_from(str_span(head.p, ch->scan.first_line - 2), REASON_AT);
	if (!parse_framing(ch, call)) return false;
	if (ch->line.status >= 200 && !wire_keep_alive(ch->wire)) ch->retires = true;
	return true;
}

static enum reply_step step_head(struct channel *ch, struct upstream_call *call, struct str *bytes)
{
	size_t had = call->raw.n, room = REPLY_HEAD_BYTES_MAX - had;
	struct str view = str_span(bytes->p, bytes->n < room ? bytes->n : room);
	if (had) {
		buf_str(&call->raw, view);
		view = buf_view(&call->raw);
	}
	enum head_state state = head_scan(&ch->scan, view);
	if (state == HEAD_BAD || (state == HEAD_MORE && view.n >= REPLY_HEAD_BYTES_MAX)) return REPLY_BROKEN;
	if (state == HEAD_MORE) {
		if (!parse_line(ch, view)) return REPLY_BROKEN;
		if (!had) buf_str(&call->raw, view);
		*bytes = str_from(*bytes, bytes->n);
		return REPLY_MORE;
	}
	*bytes = str_from(*bytes, ch->scan.at - had);
	struct str head = str_span(view.p, ch->scan.at);
	if (!had) head = arena_str(&call->arena, head);
	if (!head.p || !parse_head(ch, call, head)) return REPLY_BROKEN;
	return finish_head(ch, call);
}

static enum reply_step step_length(struct channel *ch, struct upstream_call *call, struct str *bytes)
{
	size_t length = (size_t)ch->framing.length, missing = length - call->body.n;
	struct str part = str_span(bytes->p, bytes->n < missing ? bytes->n : missing);
	*bytes = str_from(*bytes, part.n);
	if (part.n == length) {
		if (part.n) call->reply.body = arena_str(&call->arena, part);
		return call->reply.body.p ? REPLY_DONE : REPLY_BROKEN;
	}
	buf_str(&call->body, part);
	if (part.n < missing) return REPLY_MORE;
	call->reply.body = buf_view(&call->body);
	return REPLY_DONE;
}

static enum reply_step step_rest(struct upstream_call *call, struct str *bytes)
{
	buf_str(&call->body, *bytes);
	*bytes = str_from(*bytes, bytes->n);
	return buf_ok(&call->body) ? REPLY_MORE : REPLY_BROKEN;
}

enum reply_step reply_step(struct channel *ch, struct str *bytes)
{
	if (!ch->in_body) {
		enum reply_step step = step_head(ch, CONTAINER_OF(ch->sent.next, struct upstream_call, link), bytes);
		if (step == REPLY_BROKEN || !ch->in_body) return step;
	}
	struct upstream_call *call = ch->reading;
	if (ch->until_close) return step_rest(call, bytes);
	if (!ch->framing.chunked) return step_length(ch, call, bytes);
	bool complete;
	if (wire_chunked(ch->wire, bytes, &call->body, call->body.max, &complete)) return REPLY_BROKEN;
	if (!complete) return REPLY_MORE;
	if (call->body.n) call->reply.body = buf_view(&call->body);
	return REPLY_DONE;
}

bool reply_ends_with_connection(struct channel *ch)
{
	if (!ch->in_body || !ch->until_close) return false;
	struct upstream_call *call = ch->reading;
	if (call->body.n) call->reply.body = buf_view(&call->body);
	return true;
}
