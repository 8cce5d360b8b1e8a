/* Writes answers: framing fields are ours, everything else is the owner's. A value that would break the framing never leaves. */
#include "common/core/log.h"
#include "common/core/word.h"
#include "common/http/connection.h"
#include "common/http/problem.h"

/* From this size on a body is not gathered with other answers of the turn. */
enum { REFERENCE_BYTES = 32 * 1024 };

/* Fields that this file writes itself; the owner's Date and Server are kept when given (a proxy passes them on). */
enum own { OWN_NOT, OWN_FRAMING, OWN_LENGTH, OWN_DATE, OWN_SERVER };

static enum own own_field(struct str name)
{
	switch (name.n) {
	case 4:
		return str_eq_ci(name, STR("date")) ? OWN_DATE : OWN_NOT;
	case 6:
		return str_eq_ci(name, STR("server")) ? OWN_SERVER : OWN_NOT;
	case 10:
		return str_eq_ci(name, STR("connection")) || str_eq_ci(name, STR("keep-alive")) ? OWN_FRAMING : OWN_NOT;
	case 14:
		return str_eq_ci(name, STR("content-length")) ? OWN_LENGTH : OWN_NOT;
	case 17:
		return str_eq_ci(name, STR("transfer-encoding")) ? OWN_FRAMING : OWN_NOT;
	default:
		return OWN_NOT;
	}
}

static bool is_clean(struct str s)
{
	for (size_t i = word_run(s.p, s.n, '\r', '\r'); i < s.n; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == 0) return false;
	return true;
}

static void put_field(struct buf *out, struct str name, struct str value)
{
	if (!is_clean(name) || !is_clean(value)) {
		log_line(LOG_ERROR, "response field with control bytes dropped", "%.*s", name.n < 64 ? (int)name.n : 64,
		    name.p);
		return;
	}
	buf_str(out, name);
	BUF_LIT(out, ": ");
	buf_str(out, value);
	BUF_LIT(out, "\r\n");
}

static void put_status(struct buf *out, int status, struct str reason)
{
	char line[] = "HTTP/1.1 000 ";
	line[9] = (char)('0' + status / 100);
	line[10] = (char)('0' + status / 10 % 10);
	line[11] = (char)('0' + status % 10);
	buf_append(out, line, 13);
	buf_str(out, reason.p && is_clean(reason) ? reason : http_reason(status));
	BUF_LIT(out, "\r\n");
}

/* Writes the owner's fields; tells which of ours are already there. */
static void put_fields(
    struct buf *out, const struct http_response *r, bool head, bool *has_date, bool *has_server, bool *has_length)
{
	for (unsigned i = 0; i < r->field_count; i++) {
		const struct http_field *f = &r->fields[i];
		enum own own = own_field(f->name);
		/* To a HEAD the owner may know the length without having the body. */
		if (own == OWN_FRAMING || (own == OWN_LENGTH && (!head || *has_length))) continue;
		if (own == OWN_LENGTH) *has_length = true;
		if (own == OWN_DATE) *has_date = true;
		if (own == OWN_SERVER) *has_server = true;
		put_field(out, f->name, f->value);
	}
}

void answer_write(struct buf *out, struct exchange *e, const struct http_response *r, struct str date)
{
	bool bodiless = r->status == 204 || r->status == 304;
	/* A process of ours that names its calls knows the time and who answers. */
	bool has_date = e->call.p != NULL || (r->lines_have & HTTP_LINES_DATE) != 0;
	bool has_server = e->call.p != NULL || (r->lines_have & HTTP_LINES_SERVER) != 0;
	bool has_length = bodiless || (r->lines_have & HTTP_LINES_LENGTH) != 0;
	size_t before = out->n;
	put_status(out, r->status, r->reason);
	buf_str(out, r->lines);
	if (r->content_type.n) put_field(out, STR("Content-Type"), r->content_type);
	put_fields(out, r, e->x.head, &has_date, &has_server, &has_length);
	buf_str(out, r->tail);
	if (!has_date) {
		BUF_LIT(out, "Date: ");
		buf_str(out, date);
		BUF_LIT(out, "\r\n");
	}
	if (!has_server) BUF_LIT(out, "Server: yangguang\r\n");
	if (!has_length) {
		BUF_LIT(out, "Content-Length: ");
		buf_i64(out, (int64_t)r->body.n);
		BUF_LIT(out, "\r\n");
	}
	if (e->call.p) put_field(out, STR(CALL_FIELD), e->call);
	if (e->close) {
		BUF_LIT(out, "Connection: close\r\n");
	} else if (e->intake.http_1_0) {
		BUF_LIT(out, "Connection: keep-alive\r\n");
	}
	BUF_LIT(out, "\r\n");
	e->answer_bytes = out->n - before;
}

static void borrow_out(struct connection *c)
{
	struct http_server *s = c->server;
	if (!c->out.p && s->spare_buffer_count) c->out = s->spare_buffers[--s->spare_buffer_count];
}

static struct str body_to_send(const struct exchange *e, const struct http_response *r)
{
	bool bodiless = r->status == 204 || r->status == 304 || e->x.head;
	return bodiless ? STR_NONE : r->body;
}

/* A big body is not copied first: the kernel gets it from where it lies. Only what it does not take at once is kept. */
static enum err write_by_reference(struct connection *c, struct str body)
{
	struct str parts[] = { buf_view(&c->out), body };
	enum err e = stream_write(c->stream, parts, ARRAY_LEN(parts));
	c->out.n = 0;
	return e;
}

static void write_answer(struct connection *c, struct exchange *e, const struct http_response *r)
{
	struct str body = body_to_send(e, r);
	enum err failure = ERR_NONE;
	borrow_out(c);
	answer_write(&c->out, e, r, server_date(c->server));
	e->answer_bytes += body.n;
	if (body.n >= REFERENCE_BYTES && buf_ok(&c->out)) {
		failure = write_by_reference(c, body);
	} else {
		buf_str(&c->out, body);
		if (c->out.n > PENDING_FLUSH_BYTES && buf_ok(&c->out)) failure = stream_write_buf(c->stream, &c->out);
	}
	if (failure) c->out.overflow = true;
}

/* Moves answers that waited for this turn of theirs. */
static void promote(struct connection *c)
{
	while (!list_empty(&c->owed) && !c->closing) {
		struct exchange *e = CONTAINER_OF(c->owed.next, struct exchange, link);
		if (!e->answered) return;
		buf_str(&c->out, buf_view(&e->held));
		if (!buf_ok(&e->held)) c->out.overflow = true;
		buf_reset(&e->held);
		list_remove(&e->link);
		list_push(&c->leaving, &e->link);
		if (e->close) c->closing = true;
	}
}

void http_respond(struct http_exchange *x, const struct http_response *r)
{
	struct exchange *e = CONTAINER_OF(x, struct exchange, x);
	struct connection *c = e->connection;
	struct http_server *s = c->server;
	CHECK(e->dispatched && !e->answered);
	CHECK(r->status >= 200 && r->status <= 999);
	e->answered = true;
	e->status = r->status;
	loop_push(s->loop, PHASE_CLIENT, &c->flush);
	if (!c->stream || c->closing) return; /* nobody will read it */
	bool is_first = c->owed.next == &e->link, may_leave = is_first || (e->call.p && !e->close && !r->close);
	bool is_last = e->link.next == &c->owed && (is_first || !e->call.p) && !c->reading && !c->backlog.n;
	if (r->close || (s->draining && is_last)) {
		e->close = true;
		c->unread = true; /* the peer did not ask for the end: it may be sending */
	}
	if (e->close) c->input_over = true;
	if (!may_leave) {
		struct str body = body_to_send(e, r);
		answer_write(&e->held, e, r, server_date(s));
		buf_str(&e->held, body);
		e->answer_bytes += body.n;
		return;
	}
	write_answer(c, e, r);
	list_remove(&e->link);
	list_push(&c->leaving, &e->link);
	if (e->close) c->closing = true;
	promote(c);
}

void http_respond_interim(struct http_exchange *x, int status, struct http_fields fields)
{
	struct exchange *e = CONTAINER_OF(x, struct exchange, x);
	struct connection *c = e->connection;
	CHECK(status >= 100 && status < 200 && status != 101);
	if (!e->dispatched || e->answered || !c->stream || c->closing || e->intake.http_1_0) return;
	if (c->owed.next != &e->link) return;
	borrow_out(c);
	put_status(&c->out, status, STR_NONE);
	for (unsigned i = 0; i < fields.count; i++)
		if (own_field(fields.items[i].name) == OWN_NOT)
			put_field(&c->out, fields.items[i].name, fields.items[i].value);
	BUF_LIT(&c->out, "\r\n");
	loop_push(c->server->loop, PHASE_CLIENT, &c->flush);
}

static void respond_problem(struct http_exchange *x, enum err why)
{
	struct buf body;
	struct problem problem = { .err = why };
	buf_init(&body, 4096);
	problem_write(&body, &problem, http_language(x->fields), STR_NONE);
	struct http_response r = { .status = problem_status(&problem),
		.content_type = STR("application/problem+json"),
		.body = buf_view(&body),
		.close = true };
	http_respond(x, &r);
	buf_free(&body);
}

void answer_refused(struct exchange *e, enum err why)
{
	const struct http_server_config *config = &e->connection->server->config;
	e->connection->server->stats.refused++;
	if (config->on_refused) config->on_refused(config->arg, &e->x, why);
	if (!e->answered) respond_problem(&e->x, why);
}
