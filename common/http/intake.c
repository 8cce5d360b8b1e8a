/* Assembles requests from reads cut anywhere. A head is parsed only when whole and then lies in one piece in the exchange's
 * memory; the outcome depends on the bytes alone, never on how they were cut (fuzz_http_request holds it to that). */
#include "common/http/intake.h"

#include "common/core/clock.h"

void intake_begin(struct intake *in, struct http_exchange *x)
{
	buf_reset(&in->raw);
	buf_reset(&in->body);
	*in = (struct intake){ .x = x, .raw = in->raw, .body = in->body };
}

bool intake_has_begun(const struct intake *in)
{
	return in->in_body || in->scan.at > 0;
}

/* The first line is judged as soon as it is there: rubbish should not wait for a deadline. */
static enum err take_first_line(struct intake *in, const struct http_server_config *limits, struct str head)
{
	struct request_line line;
	size_t start = in->scan.start, end = in->scan.first_line;
	size_t line_max = limits->target_bytes_max + REQUEST_LINE_REST_BYTES;
	if (!end) return in->scan.at - start > line_max ? ERR_URI_TOO_LONG : ERR_NONE;
	if (end - start > line_max) return ERR_URI_TOO_LONG;
	TRY(request_line_parse(str_span(head.p + start, end - start - 2), &line));
	in->line_known = true;
	in->http_1_0 = line.http_1_0;
	in->x->head = str_eq(line.method, STR("HEAD"));
	return line.target.n > limits->target_bytes_max ? ERR_URI_TOO_LONG : ERR_NONE;
}

static enum err check_host(struct http_exchange *x, const struct target *target, const struct intake *in, bool required)
{
	x->host = in->framing.host;
	if (in->framing.hosts > 1) return ERR_MALFORMED_REQUEST;
	if (in->framing.hosts == 0) {
		if (required && !in->http_1_0) return ERR_MALFORMED_REQUEST;
		x->host = target->authority;
		return ERR_NONE;
	}
	if (!host_is_valid(x->host)) return ERR_MALFORMED_REQUEST;
	return target->authority.p && !str_eq_ci(target->authority, x->host) ? ERR_MALFORMED_REQUEST : ERR_NONE;
}

/* `head` is whole and stays where it is as long as the exchange. */
static enum err take_head(
    struct intake *in, struct wire *wire, const struct http_server_config *limits, struct str head)
{
	struct http_exchange *x = in->x;
	struct request_line line;
	struct target target;
	struct str first = str_span(head.p, in->scan.first_line - in->scan.start - 2);
	TRY(request_line_parse(first, &line));
	x->method = line.method;
	x->target = line.target;
	TRY(target_parse(line.method, line.target, &target));
	x->path = target.path;
	x->query = target.query;
	unsigned count = in->scan.lines - 1;
	if (count > limits->field_count_max) return ERR_HEADERS_TOO_LARGE;
	struct http_field *items = arena_array(&x->arena, count + 1, sizeof *items);
	if (!items) return ERR_MEMORY;
	TRY(wire_head(wire, WIRE_REQUEST, head, items, &count));
	x->fields = (struct http_fields){ items, count };
	in->keep_alive = wire_keep_alive(wire);
	TRY(framing_parse(x->fields, in->http_1_0, &in->framing));
	TRY(check_host(x, &target, in, limits->require_host));
	x->received_ns = clock_mono_ns();
	return ERR_NONE;
}

static enum intake_step refuse(enum err e, enum err *why)
{
	*why = e;
	return INTAKE_REFUSE;
}

static enum intake_step step_head(
    struct intake *in, struct wire *wire, const struct http_server_config *limits, struct str *bytes, enum err *why)
{
	size_t had = in->raw.n, room = limits->head_bytes_max - had;
	struct str view = str_span(bytes->p, bytes->n < room ? bytes->n : room);
	bool gathered = had > 0;
	if (gathered) {
		buf_str(&in->raw, view);
		view = buf_view(&in->raw);
	}
	enum head_state state = head_scan(&in->scan, view);
	if (!in->line_known) {
		enum err e = take_first_line(in, limits, view);
		if (e) return refuse(e, why);
	}
	if (state == HEAD_BAD) return refuse(ERR_MALFORMED_REQUEST, why);
	if (state == HEAD_MORE) {
		if (view.n >= limits->head_bytes_max) return refuse(ERR_HEADERS_TOO_LARGE, why);
		if (!gathered) buf_str(&in->raw, view);
		*bytes = str_from(*bytes, bytes->n);
		return INTAKE_MORE;
	}
	*bytes = str_from(*bytes, in->scan.at - had);
	struct str head = str_span(view.p + in->scan.start, in->scan.at - in->scan.start);
	if (!gathered) head = arena_str(&in->x->arena, head);
	if (!head.p) return refuse(ERR_MEMORY, why);
	enum err e = take_head(in, wire, limits, head);
	if (e) return refuse(e, why);
	return INTAKE_HEAD;
}

enum err intake_begin_body(struct intake *in, size_t body_bytes_max)
{
	in->in_body = true;
	in->body_bytes_max = body_bytes_max;
	in->body.max = in->framing.has_length ? (size_t)in->framing.length : body_bytes_max;
	return in->framing.has_length && in->framing.length > body_bytes_max ? ERR_PAYLOAD_TOO_LARGE : ERR_NONE;
}

static enum intake_step step_length(struct intake *in, struct str *bytes, enum err *why)
{
	struct http_exchange *x = in->x;
	size_t missing = (size_t)in->framing.length - in->body.n;
	struct str part = str_span(bytes->p, bytes->n < missing ? bytes->n : missing);
	if (part.n == in->framing.length) {
		/* The usual case: the whole content came with the head. */
		*bytes = str_from(*bytes, part.n);
		x->body = part.n ? arena_str(&x->arena, part) : STR("");
		return x->body.p ? INTAKE_DONE : refuse(ERR_MEMORY, why);
	}
	buf_str(&in->body, part);
	*bytes = str_from(*bytes, part.n);
	if (part.n < missing) return INTAKE_MORE;
	x->body = buf_view(&in->body);
	return INTAKE_DONE;
}

static enum intake_step step_chunked(struct intake *in, struct wire *wire, struct str *bytes, enum err *why)
{
	bool complete;
	enum err e = wire_chunked(wire, bytes, &in->body, in->body_bytes_max, &complete);
	if (e) return refuse(e, why);
	if (!complete) return INTAKE_MORE;
	in->x->body = in->body.n ? buf_view(&in->body) : STR("");
	return INTAKE_DONE;
}

enum intake_step intake_step(
    struct intake *in, struct wire *wire, const struct http_server_config *limits, struct str *bytes, enum err *why)
{
	if (!in->in_body) return step_head(in, wire, limits, bytes, why);
	return in->framing.chunked ? step_chunked(in, wire, bytes, why) : step_length(in, bytes, why);
}
