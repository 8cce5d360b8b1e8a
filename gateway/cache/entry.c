/* Entries are made in one piece of memory, their strings behind the struct; only the body stands apart, so that a renewed entry
 * can share it. */
#include "gateway/cache/entry.h"

#include <stdlib.h>

#include "common/core/id.h"
#include "common/http/server.h"

/* The parts of one allocation: first measured, then placed. */
struct packer {
	char *p; /* NULL while measuring */
	size_t n;
};

static void *take(struct packer *k, size_t bytes, size_t align)
{
	k->n = (k->n + align - 1) & ~(align - 1);
	void *at = k->p ? k->p + k->n : NULL;
	k->n += bytes;
	return at;
}

static struct str copy(struct packer *k, struct str s)
{
	char *at = take(k, s.n, 1);
	if (!at || !s.p) return s.p ? str_span("", 0) : STR_NONE;
	memcpy(at, s.p, s.n);
	return str_span(at, s.n);
}

/* ── bodies ── */

static struct entry_body *body_new(struct str bytes)
{
	struct entry_body *b = malloc(sizeof *b + bytes.n);
	CHECK(b != NULL);
	b->references = 1;
	b->n = bytes.n;
	if (bytes.n) memcpy(b->bytes, bytes.p, bytes.n);
	return b;
}

static void body_release(struct entry_body *b)
{
	if (--b->references == 0) free(b);
}

/* ── lines ── */

static bool may_stand_in_a_message(struct http_field f)
{
	if (!f.name.n) return false;
	for (size_t i = 0; i < f.name.n; i++)
		if ((unsigned char)f.name.p[i] <= ' ' || f.name.p[i] == ':' || f.name.p[i] == 0x7f) return false;
	for (size_t i = 0; i < f.value.n; i++) {
		unsigned char c = (unsigned char)f.value.p[i];
		if ((c < ' ' && c != '\t') || c == 0x7f) return false;
	}
	return true;
}

bool entry_hides(const struct policy *p, struct str name)
{
	struct str list = p->hidden, part;
	while (str_cut(&list, ',', &part))
		if (str_eq_ci(str_trim(part), name)) return true;
	return false;
}

static void put_line(struct buf *out, struct http_field f)
{
	buf_str(out, f.name);
	BUF_LIT(out, ": ");
	buf_str(out, f.value);
	BUF_LIT(out, "\r\n");
}

/* Coded by us on request: only what is whole, of a kind that shrinks, and was not coded before. */
static bool may_be_coded(const struct entry_source *s)
{
	struct http_fields f = s->fields;
	size_t n = s->share ? s->share->n : s->body.n;
	return s->may_be_coded && s->status == 200 && n >= CODING_BYTES_MIN &&
	       coding_suits(http_get(f, STR("content-type"))) && !http_count(f, STR("content-encoding")) &&
	       !http_count(f, STR("set-cookie")) && !http_list_has(f, STR("cache-control"), STR("no-transform"));
}

/* What only describes content has no place in a 304 (RFC 9110 15.4.5). */
static bool is_of_content(struct str name)
{
	return name.n > 8 && str_eq_ci(str_span(name.p, 8), STR("content-")) &&
	       (str_eq_ci(name, STR("content-type")) || str_eq_ci(name, STR("content-encoding")) ||
		   str_eq_ci(name, STR("content-language")));
}

static void put_lines_of(struct buf *out, const struct entry_source *s, bool of_content, unsigned *have)
{
	for (unsigned i = 0; i < s->fields.count; i++) {
		const struct http_field *f = &s->fields.items[i];
		if (is_of_content(f->name) != of_content || entry_hides(s->policy, f->name)) continue;
		if (str_eq_ci(f->name, STR("age")) || str_eq_ci(f->name, STR("content-length"))) continue;
		if (str_eq_ci(f->name, STR("date"))) *have |= HTTP_LINES_DATE;
		if (str_eq_ci(f->name, STR("server"))) *have |= HTTP_LINES_SERVER;
		put_line(out, *f);
	}
}

/* Ordered so that each kind of answer takes a beginning of them: *brief ends what a 304 says, *bare is where Content-Length begins. */
static void put_lines(
    struct buf *out, const struct entry_source *s, size_t body_n, size_t *brief, size_t *bare, unsigned *have)
{
	*have = 0;
	put_lines_of(out, s, false, have);
	if (may_be_coded(s)) BUF_LIT(out, "Vary: Accept-Encoding\r\n");
	*brief = out->n;
	put_lines_of(out, s, true, have);
	*bare = out->n;
	if (s->status != 204) buf_printf(out, "Content-Length: %zu\r\n", body_n);
}

/* ── entries ── */

/* The names of Vary with what the request said: appended to `text`, found again by length. */
static bool gather_vary(const struct entry_source *s, struct entry_vary *out, unsigned *count, struct buf *text)
{
	struct vary_names v;
	struct str name;
	size_t starts[ENTRY_VARY_MAX + 1];
	*count = 0;
	rules_vary_begin(&v, s->fields);
	while (rules_vary_next(&v, &name)) {
		bool known = false;
		for (unsigned i = 0; i < *count && !known; i++) known = str_eq_ci(out[i].name, name);
		if (known) continue;
		if (*count == ENTRY_VARY_MAX) return false;
		starts[*count] = text->n;
		out[(*count)++].name = name;
		rules_selecting(text, s->asked, name);
	}
	starts[*count] = text->n;
	const char *base = text->p ? text->p : "";
	for (unsigned i = 0; i < *count; i++) out[i].value = str_span(base + starts[i], starts[i + 1] - starts[i]);
	return buf_ok(text);
}

struct made {
	struct entry_vary vary[ENTRY_VARY_MAX];
	unsigned vary_count;
	struct buf vary_text;
	struct buf lines;
	size_t brief_n;
	size_t bare_n;
	unsigned have;
};

/* Lays everything out; called once to measure and once to place. */
static struct entry *lay_out(struct packer *k, const struct entry_source *s, const struct made *m)
{
	struct entry *e = take(k, sizeof *e, _Alignof(struct entry));
	struct http_field *fields = take(k, s->fields.count * sizeof *fields, _Alignof(struct http_field));
	struct entry_vary *vary = take(k, m->vary_count * sizeof *vary, _Alignof(struct entry_vary));
	struct str *tags = take(k, s->tag_count * sizeof *tags, _Alignof(struct str));
	uint32_t *slots = take(k, s->tag_count * sizeof *slots, _Alignof(uint32_t));
	struct str key = copy(k, s->key), reason = copy(k, s->reason), lines = copy(k, buf_view(&m->lines));
	struct str hidden = copy(k, s->policy->hidden);
	for (unsigned i = 0; i < s->fields.count; i++) {
		struct str name = copy(k, s->fields.items[i].name), value = copy(k, s->fields.items[i].value);
		if (fields) fields[i] = (struct http_field){ name, value };
	}
	for (unsigned i = 0; i < m->vary_count; i++) {
		struct str name = copy(k, m->vary[i].name), value = copy(k, m->vary[i].value);
		if (vary) vary[i] = (struct entry_vary){ name, value };
	}
	for (unsigned i = 0; i < s->tag_count; i++) {
		struct str name = copy(k, s->tags[i]);
		if (tags) tags[i] = name;
		if (slots) slots[i] = tags_slot(name);
	}
	if (!e) return NULL;
	*e = (struct entry){ .references = 1,
		.hash = id_hash(s->key),
		.key = key,
		.status = s->status,
		.reason = reason,
		.fields = { fields, s->fields.count },
		.lines = lines,
		.lines_brief_n = m->brief_n,
		.lines_bare_n = m->bare_n,
		.lines_have = m->have,
		.vary = vary,
		.vary_count = m->vary_count,
		.tags = tags,
		.slots = slots,
		.stamp = s->stamp,
		.tag_count = s->tag_count,
		.policy = *s->policy };
	e->policy.hidden = hidden;
	return e;
}

static struct entry *place(const struct entry_source *s, const struct made *m)
{
	struct packer k = { 0 };
	(void)lay_out(&k, s, m);
	size_t bytes = k.n;
	k = (struct packer){ .p = malloc(bytes) };
	CHECK(k.p != NULL);
	struct entry *e = lay_out(&k, s, m);
	if (s->share) {
		e->body = s->share;
		e->body->references++;
	} else {
		e->body = body_new(s->body);
	}
	e->may_be_coded = may_be_coded(s);
	e->bytes = bytes + sizeof *e->body + e->body->n + (e->may_be_coded ? e->body->n : 0);
	e->etag = http_get(e->fields, STR("etag"));
	e->last_modified = http_get(e->fields, STR("last-modified"));
	e->modified = e->last_modified.p ? e->last_modified : http_get(e->fields, STR("date"));
	e->born_ms = s->got_ms - s->policy->initial_age_ms;
	e->got_wall_us = s->got_wall_us;
	e->checked_ms = s->got_ms;
	list_init(&e->place.queue);
	return e;
}

struct entry *entry_new(const struct entry_source *s)
{
	enum { TEXT_MAX = 256 * 1024 };
	struct made m = { 0 };
	struct entry *e = NULL;
	if (s->fields.count > ENTRY_FIELDS_MAX || s->tag_count > TAGS_PER_ENTRY_MAX) return NULL;
	for (unsigned i = 0; i < s->fields.count; i++)
		if (!may_stand_in_a_message(s->fields.items[i])) return NULL;
	buf_init(&m.vary_text, TEXT_MAX);
	buf_init(&m.lines, TEXT_MAX);
	put_lines(&m.lines, s, s->share ? s->share->n : s->body.n, &m.brief_n, &m.bare_n, &m.have);
	if (gather_vary(s, m.vary, &m.vary_count, &m.vary_text) && buf_ok(&m.lines)) e = place(s, &m);
	buf_free(&m.vary_text);
	buf_free(&m.lines);
	return e;
}

struct entry *entry_share(struct entry *e)
{
	e->references++;
	return e;
}

void entry_release(struct entry *e)
{
	if (!e || --e->references) return;
	CHECK(!e->place.stored);
	for (int c = CODING_GZIP; c < CODING_COUNT; c++) entry_release(e->coded[c]);
	body_release(e->body);
	free(e);
}

bool entry_selects(const struct entry *e, struct http_fields asked)
{
	struct buf value;
	bool same = true;
	if (!e->vary_count) return true;
	buf_init(&value, 64 * 1024);
	for (unsigned i = 0; i < e->vary_count && same; i++) {
		buf_reset(&value);
		rules_selecting(&value, asked, e->vary[i].name);
		same = buf_ok(&value) && str_eq(buf_view(&value), e->vary[i].value);
	}
	buf_free(&value);
	return same;
}
