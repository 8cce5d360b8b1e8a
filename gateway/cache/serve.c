/* The hot path: nothing is allocated, nothing is looked up twice. Only Age, Cache-Status and Content-Range are written here, into the
 * caller's memory; all other fields were made ready when the answer was kept. */
#include "gateway/cache/serve.h"

#include "common/core/clock.h"

static void put(struct serve *s, struct str name, const char *from)
{
	s->fields[s->field_count++] = (struct http_field){ name, str_span(from, (size_t)(s->text + s->text_n - from)) };
}

static void text(struct serve *s, const char *p)
{
	size_t n = strlen(p);
	CHECK(s->text_n + n <= sizeof s->text);
	memcpy(s->text + s->text_n, p, n);
	s->text_n += n;
}

static void number(struct serve *s, int64_t v)
{
	char digits[20];
	size_t n = 0;
	uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do digits[n++] = (char)('0' + rest % 10);
	while (rest /= 10);
	CHECK(s->text_n + n + 1 <= sizeof s->text);
	if (v < 0) s->text[s->text_n++] = '-';
	while (n) s->text[s->text_n++] = digits[--n];
}

static int64_t floor_s(int64_t ms)
{
	return ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);
}

static void cut_range(struct serve *s, const struct entry *e, size_t from, size_t to)
{
	const char *begin = s->text + s->text_n;
	text(s, "bytes ");
	number(s, (int64_t)from);
	text(s, "-");
	number(s, (int64_t)to);
	text(s, "/");
	number(s, (int64_t)e->body->n);
	put(s, STR("Content-Range"), begin);
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
	s->field_count = 0;
	s->text_n = 0;
	number(s, age_ms / 1000);
	put(s, STR("Age"), s->text);
	const char *begin = s->text + s->text_n;
	text(s, "yangguang; ");
	text(s, how);
	text(s, "; ttl=");
	number(s, floor_s(e->policy.lifetime_ms - age_ms));
	put(s, STR("Cache-Status"), begin);
	if (e->status == 200) answer_conditions(s, e, x);
}
