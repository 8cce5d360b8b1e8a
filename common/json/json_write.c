/* Streaming JSON output. Strings leave in runs: only quotes, backslashes, control characters and bad UTF-8 stop a run. */
#include "common/json/json_write.h"

#include "common/core/utf8.h"
#include "common/json/json.h"

/* 0 ordinary, 1 multi-byte, else the letter behind the backslash ('u': \u00XX). */
static const char escape_class[256] = {
	[0x00 ... 0x07] = 'u',
	['\b'] = 'b',
	['\t'] = 't',
	['\n'] = 'n',
	[0x0b] = 'u',
	['\f'] = 'f',
	['\r'] = 'r',
	[0x0e ... 0x1f] = 'u',
	['"'] = '"',
	['\\'] = '\\',
	[0x80 ... 0xff] = 1,
};

void json_write_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

/* The comma before an item, where one is due. */
static inline void before_value(struct json_writer *w)
{
	uint64_t bit = (uint64_t)1 << (w->depth & 63);
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->has_item & bit) buf_char(w->out, ',');
	w->has_item |= bit;
}

static void begin(struct json_writer *w, char bracket)
{
	before_value(w);
	buf_char(w->out, bracket);
	if (++w->depth > JSON_WRITE_DEPTH_MAX) w->out->overflow = true;
	w->has_item &= ~((uint64_t)1 << (w->depth & 63));
}

static void end(struct json_writer *w, char bracket)
{
	CHECK(w->depth > 0 && !w->after_key);
	w->depth--;
	buf_char(w->out, bracket);
}

void json_begin_object(struct json_writer *w)
{
	begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
	end(w, ']');
}

/* Eight bytes that stand for themselves: no control, quote or backslash among them, and no high bit unless trusted. */
static inline bool plain_word(uint64_t v, bool trusted)
{
	const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
	uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
	uint64_t stop = ((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
	return ((trusted ? stop : stop | v) & high) == 0;
}

static inline bool plain8(const char *p, bool trusted)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return plain_word(v, trusted);
}

/* The last (up to 8) bytes, looked at with overlap; false also when too short for that. */
static inline bool plain_tail(struct str s, bool trusted)
{
	uint32_t head, tail;
	if (s.n >= 8) return plain8(s.p + s.n - 8, trusted);
	if (s.n < 4) return false;
	memcpy(&head, s.p, sizeof head);
	memcpy(&tail, s.p + s.n - 4, sizeof tail);
	return plain_word((uint64_t)head << 32 | tail, trusted);
}

/* Bytes from `at` on that are copied as they are. Trusted text is valid UTF-8: its multi-byte sequences are not looked at. */
static inline size_t ordinary_run(struct str s, size_t at, bool trusted)
{
	size_t start = at;
	for (;;) {
		while (s.n - at >= 8 && plain8(s.p + at, trusted)) at += 8;
		if (at == s.n || (s.n - at < 8 && plain_tail(s, trusted))) return s.n - start;
		size_t until = s.n - at < 8 ? s.n : at + 8;
		while (at < until) {
			char class = escape_class[(unsigned char)s.p[at]];
			size_t n = class == 0 ? 1 : class == 1 ? (trusted ? 1 : utf8_sequence(s, at)) : 0;
			if (n == 0) return at - start;
			at += n;
		}
	}
}

static void put_escape(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char class = escape_class[c];
	if (class == 1) {
		BUF_LIT(out, "\xef\xbf\xbd");
	} else if (class == 'u') {
		buf_append(out, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
	} else {
		buf_append(out, (char[]){ '\\', class }, 2);
	}
}

static inline char *room(struct buf *out, size_t n)
{
	return out->cap - out->n >= n && !out->overflow ? out->p + out->n : buf_reserve(out, n);
}

static inline void put_plain(struct buf *out, struct str s)
{
	char *to = room(out, s.n + 2);
	if (!to) return;
	*to = '"';
	memcpy(to + 1, s.p, s.n);
	to[s.n + 1] = '"';
	out->n += s.n + 2;
}

static inline void put_quoted(struct buf *out, struct str s, bool trusted)
{
	size_t at = ordinary_run(s, 0, trusted);
	if (at == s.n) {
		put_plain(out, s);
		return;
	}
	buf_char(out, '"');
	buf_append(out, s.p, at);
	while (at < s.n) {
		put_escape(out, (unsigned char)s.p[at++]);
		size_t run = ordinary_run(s, at, trusted);
		buf_append(out, s.p + at, run);
		at += run;
	}
	buf_char(out, '"');
}

void json_put_key(struct json_writer *w, struct str key)
{
	CHECK(!w->after_key);
	before_value(w);
	put_quoted(w->out, key, false);
	buf_char(w->out, ':');
	w->after_key = true;
}

void json_ready_key(struct buf *out, struct str key)
{
	buf_char(out, ',');
	put_quoted(out, key, false);
	buf_char(out, ':');
}

void json_put_ready_key(struct json_writer *w, struct str ready)
{
	uint64_t bit = (uint64_t)1 << (w->depth & 63);
	size_t skip = w->has_item & bit ? 0 : 1; /* the comma, before the first member */
	CHECK(!w->after_key && ready.n > 1);
	buf_append(w->out, ready.p + skip, ready.n - skip);
	w->has_item |= bit;
	w->after_key = true;
}

void json_put_str(struct json_writer *w, struct str s)
{
	if (!s.p) {
		json_put_null(w);
		return;
	}
	before_value(w);
	put_quoted(w->out, s, false);
}

void json_put_utf8(struct json_writer *w, struct str s)
{
	if (!s.p) {
		json_put_null(w);
		return;
	}
	before_value(w);
	put_quoted(w->out, s, true);
}

void json_put_plain(struct json_writer *w, struct str s)
{
	if (!s.p) {
		json_put_null(w);
		return;
	}
	before_value(w);
	put_plain(w->out, s);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
	before_value(w);
	buf_i64(w->out, v);
}

void json_put_bool(struct json_writer *w, bool b)
{
	json_put_raw(w, b ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w)
{
	json_put_raw(w, STR("null"));
}

void json_put_raw(struct json_writer *w, struct str json)
{
	before_value(w);
	buf_str(w->out, json);
}

static void put_children(struct json_writer *w, const struct json *v, bool named)
{
	for (const struct json *c = json_first(v); c; c = json_next(c)) {
		if (named) json_put_key(w, json_key(c));
		json_put_tree(w, c);
	}
}

void json_put_tree(struct json_writer *w, const struct json *v)
{
	switch (json_type(v)) {
	case JSON_NULL:
		json_put_null(w);
		return;
	case JSON_BOOL:
		json_put_bool(w, json_bool(v));
		return;
	case JSON_NUMBER:
		json_put_raw(w, json_number(v));
		return;
	case JSON_STRING:
		json_put_str(w, json_string(v));
		return;
	case JSON_ARRAY:
		json_begin_array(w);
		put_children(w, v, false);
		json_end_array(w);
		return;
	case JSON_OBJECT:
		json_begin_object(w);
		put_children(w, v, true);
		json_end_object(w);
		return;
	}
}

void json_put_member_str(struct json_writer *w, const char *key, struct str s)
{
	json_put_key(w, str_of(key));
	json_put_str(w, s);
}

void json_put_member_i64(struct json_writer *w, const char *key, int64_t v)
{
	json_put_key(w, str_of(key));
	json_put_i64(w, v);
}

void json_put_member_bool(struct json_writer *w, const char *key, bool b)
{
	json_put_key(w, str_of(key));
	json_put_bool(w, b);
}
