/* An entry as bytes, for the second level. What is read back may have been written by anybody who can reach Redis: every length is
 * checked, the key must be the one that was asked for, and what could break a message is refused by entry_new. */
#include <stdlib.h>

#include "gateway/cache/entry.h"

enum { ENTRY_VERSION = 1, ASKED_MAX = ENTRY_VARY_MAX };

/* So much may be added to other spans without overflow. */
#define SPAN_MAX_MS (INT64_MAX / 8)

enum { FLAG_EXPLICIT = 1, FLAG_FOR_AUTHORIZED = 2, FLAG_NO_CACHE = 4, FLAG_STRICT = 8, FLAGS_ALL = 15 };

/* ── writing ── */

static void put_u64(struct buf *out, uint64_t v)
{
	char b[8];
	for (unsigned i = 0; i < sizeof b; i++) b[i] = (char)(v >> 8 * i);
	buf_append(out, b, sizeof b);
}

static void put_str(struct buf *out, struct str s)
{
	put_u64(out, s.n);
	buf_str(out, s);
}

static unsigned flags_of(const struct policy *p)
{
	return (p->explicit_lifetime ? FLAG_EXPLICIT : 0u) | (p->for_authorized ? FLAG_FOR_AUTHORIZED : 0u) |
	       (p->no_cache ? FLAG_NO_CACHE : 0u) | (p->strict ? FLAG_STRICT : 0u);
}

/* Without the fields that nobody may be shown (no-cache="…" of an origin; what our contracts keep has none): a copy from the second level
 * is validated as a whole. */
static void put_fields(struct buf *out, const struct entry *e)
{
	unsigned count = 0;
	for (unsigned i = 0; i < e->fields.count; i++) count += !entry_hides(&e->policy, e->fields.items[i].name);
	put_u64(out, count);
	for (unsigned i = 0; i < e->fields.count; i++) {
		const struct http_field *f = &e->fields.items[i];
		if (entry_hides(&e->policy, f->name)) continue;
		put_str(out, f->name);
		put_str(out, f->value);
	}
}

void entry_write(const struct entry *e, int64_t now_ms, int64_t now_wall_ms, struct buf *out)
{
	buf_char(out, ENTRY_VERSION);
	put_str(out, e->key);
	put_u64(out, (uint64_t)now_wall_ms);
	put_u64(out, (uint64_t)entry_age_ms(e, now_ms));
	put_u64(out, (uint64_t)e->policy.lifetime_ms);
	put_u64(out, (uint64_t)e->policy.while_revalidate_ms);
	put_u64(out, (uint64_t)e->policy.if_error_ms);
	put_u64(out, flags_of(&e->policy));
	put_u64(out, (uint64_t)e->status);
	put_str(out, e->reason);
	put_u64(out, e->vary_count);
	for (unsigned i = 0; i < e->vary_count; i++) {
		put_str(out, e->vary[i].name);
		put_str(out, e->vary[i].value);
	}
	put_fields(out, e);
	put_str(out, str_span(e->body->bytes, e->body->n));
}

/* ── reading ── */

struct reader {
	struct str rest;
	bool failed;
};

static uint64_t get_u64(struct reader *r)
{
	uint64_t v = 0;
	if (r->rest.n < 8) r->failed = true;
	for (unsigned i = 0; !r->failed && i < 8; i++) v |= (uint64_t)(unsigned char)r->rest.p[i] << 8 * i;
	if (!r->failed) r->rest = str_from(r->rest, 8);
	return r->failed ? 0 : v;
}

static struct str get_str(struct reader *r)
{
	uint64_t n = get_u64(r);
	if (n > r->rest.n) r->failed = true;
	if (r->failed) return STR_NONE;
	struct str s = str_span(r->rest.p, (size_t)n);
	r->rest = str_from(r->rest, (size_t)n);
	return s;
}

static unsigned get_count(struct reader *r, unsigned most)
{
	uint64_t n = get_u64(r);
	if (n > most) r->failed = true;
	return r->failed ? 0 : (unsigned)n;
}

static int64_t get_span(struct reader *r)
{
	uint64_t v = get_u64(r);
	if (v > SPAN_MAX_MS) r->failed = true;
	return r->failed ? 0 : (int64_t)v;
}

static void get_policy(struct reader *r, struct policy *p)
{
	*p = (struct policy){ .storable = true };
	p->lifetime_ms = get_span(r);
	p->while_revalidate_ms = get_span(r);
	p->if_error_ms = get_span(r);
	uint64_t flags = get_u64(r);
	if (flags > FLAGS_ALL) r->failed = true;
	p->explicit_lifetime = (flags & FLAG_EXPLICIT) != 0;
	p->for_authorized = (flags & FLAG_FOR_AUTHORIZED) != 0;
	p->no_cache = (flags & FLAG_NO_CACHE) != 0;
	p->strict = (flags & FLAG_STRICT) != 0;
}

/* The values that selected the entry are taken as a request's fields: in comparable form, writing them again changes nothing.
 * "\0" stands for a field that was absent. */
static void get_asked(struct reader *r, struct http_field *asked, unsigned *count)
{
	unsigned n = get_count(r, ASKED_MAX);
	*count = 0;
	for (unsigned i = 0; i < n && !r->failed; i++) {
		struct http_field f = { get_str(r), STR_NONE };
		f.value = get_str(r);
		if (!str_eq(f.value, str_span("", 1))) asked[(*count)++] = f;
	}
}

static void get_fields(struct reader *r, struct http_field *fields, unsigned *count)
{
	*count = get_count(r, ENTRY_FIELDS_MAX);
	for (unsigned i = 0; i < *count && !r->failed; i++) {
		fields[i].name = get_str(r);
		fields[i].value = get_str(r);
	}
}

struct entry *entry_read(
    struct str bytes, struct str key, const struct entry_found *found, int64_t now_ms, int64_t now_wall_ms)
{
	struct http_field fields[ENTRY_FIELDS_MAX], asked[ASKED_MAX];
	struct reader r = { .rest = str_from(bytes, 1) };
	struct policy p;
	struct entry_source s = { .key = key, .policy = &p, .may_be_coded = true };
	unsigned field_count, asked_count;
	if (!bytes.n || bytes.p[0] != ENTRY_VERSION || !str_eq(get_str(&r), key)) return NULL;
	int64_t written_ms = get_span(&r), age_ms = get_span(&r);
	get_policy(&r, &p);
	uint64_t status = get_u64(&r);
	s.reason = get_str(&r);
	if (!s.reason.n) s.reason = STR_NONE; /* absent when it was written: the usual one, as from the first level */
	get_asked(&r, asked, &asked_count);
	get_fields(&r, fields, &field_count);
	s.body = get_str(&r);
	if (r.failed || r.rest.n || status < 200 || status > 999) return NULL;
	for (size_t i = 0; i < s.reason.n; i++)
		if ((unsigned char)s.reason.p[i] < ' ') return NULL;
	s.status = (int)status;
	s.fields = (struct http_fields){ fields, field_count };
	s.asked = (struct http_fields){ asked, asked_count };
	/* Clocks of two machines may differ: time never runs backwards here. */
	p.initial_age_ms = age_ms + (now_wall_ms > written_ms ? now_wall_ms - written_ms : 0);
	if (p.initial_age_ms > SPAN_MAX_MS) return NULL;
	s.got_ms = now_ms;
	s.got_wall_us = found->response_time_us;
	s.tags = found->tags;
	s.tag_count = found->tag_count;
	s.stamp = found->stamp;
	return entry_new(&s);
}
