/* The hot path: nothing is allocated, nothing is looked up twice. Only Age, Cache-Status and Content-Range are written here, into the
 * caller's memory; all other fields were made ready when the answer was kept. */
#include "gateway/cache/serve.h"

#include "common/core/clock.h"

static void text(struct serve *s, struct str more)
{
	CHECK(more.n <= sizeof s->text - s->text_n);
	str_put(s->text + s->text_n, more);
	s->text_n += more.n;
}

static void number(struct serve *s, int64_t v)
{
	CHECK(1 + STR_U64_BYTES <= sizeof s->text - s->text_n);
	char *to = s->text + s->text_n;
	if (v < 0) *to++ = '-';
	to = str_put_u64(to, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
	s->text_n = (size_t)(to - s->text);
}

static int64_t floor_s(int64_t ms)
{
	return ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);
}

static void cut_range(struct serve *s, const struct entry *e, size_t from, size_t to)
{
	text(s, STR("Content-Range: bytes "));
	number(s, (int64_t)from);
	text(s, STR("-"));
	number(s, (int64_t)to);
	text(s, STR("/"));
	number(s, (int64_t)e->body->n);
	text(s, STR("\r\n"));
	s->response.status = 206;
	s->response.reason = STR_NONE;
	s->response.lines.n = e->lines_bare_n;
	s->response.lines_have &= ~(unsigned)HTTP_LINES_LENGTH;
	s->response.body = str_span(e->body->bytes + from, to - from + 1);
}

static void answer_conditions(struct serve *s, const struct entry *e, const struct http_exchange *x)
{
	size_t from, to;
	bool asks = false, ranges = false;
	for (unsigned i = 0; i < x->fields.count; i++) {
		struct str name = x->fields.items[i].name;
		if (name.n == 5 && str_eq_ci(name, STR("range"))) ranges = true;
		if ((name.n == 13 && str_eq_ci(name, STR("if-none-match"))) ||
		    (name.n == 17 && str_eq_ci(name, STR("if-modified-since"))))
			asks = true;
	}
	if (asks && rules_not_modified(x->fields, e->etag, e->modified, clock_wall_s())) {
		s->response.status = 304;
		s->response.reason = STR_NONE;
		s->response.lines.n = e->lines_brief_n;
		s->response.body = STR_NONE;
	} else if (ranges && !x->head && rules_range(x->fields, e->etag, e->body->n, &from, &to)) {
		cut_range(s, e, from, to);
	}
}

void serve_entry(struct serve *s, const struct entry *e, const struct http_exchange *x, int64_t now_ms, const char *how)
{
	int64_t age_ms = entry_age_ms(e, now_ms);
	s->response = (struct http_response){ .status = e->status,
		.reason = e->reason,
		.lines = e->lines,
		.lines_have = e->lines_have | HTTP_LINES_LENGTH,
		.body = str_span(e->body->bytes, e->body->n) };
	s->text_n = 0;
	text(s, STR("Age: "));
	number(s, age_ms / 1000);
	text(s, STR("\r\nCache-Status: yangguang; "));
	text(s, str_of(how));
	text(s, STR("; ttl="));
	number(s, floor_s(e->policy.lifetime_ms - age_ms));
	text(s, STR("\r\n"));
	if (e->status == 200) answer_conditions(s, e, x);
	s->response.tail = str_span(s->text, s->text_n);
}
