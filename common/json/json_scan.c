/* The strict scan before cJSON sees a byte: RFC 8259 grammar, UTF-8, bounded depth and numbers, no U+0000.
 * cJSON alone takes 01, control characters, bad UTF-8, byte order marks and 1,000 levels, and cuts strings at \u0000. */
#include "common/json/decimal.h"
#include "common/json/json_node.h"

#include "common/core/utf8.h"

struct scan {
	const char *p;
	size_t n;
	size_t at;
	unsigned depth;
	unsigned depth_max;
	struct json_error *error;
};

static bool fail_at(struct scan *s, const char *code, size_t offset)
{
	*s->error = (struct json_error){ .code = code, .offset = offset };
	return false;
}

static inline void skip_blank(struct scan *s)
{
	while (
	    s->at < s->n && (s->p[s->at] == ' ' || s->p[s->at] == '\n' || s->p[s->at] == '\t' || s->p[s->at] == '\r'))
		s->at++;
}

/* 1: ends a run of ordinary bytes in a string; 2: byte of a multi-byte sequence. */
static const unsigned char string_class[256] = {
	[0x00 ... 0x1f] = 1,
	['"'] = 1,
	['\\'] = 1,
	[0x80 ... 0xff] = 2,
};

/* The first byte of `run` that is no UTF-8; only called when there is one. */
static size_t first_bad_utf8(struct str run)
{
	size_t i = 0;
	while (i < run.n) {
		size_t n = 1;
		while (n <= 4 && i + n <= run.n && !utf8_valid(str_span(run.p + i, n))) n++;
		if (n > 4 || i + n > run.n) break;
		i += n;
	}
	return i;
}

static bool scan_hex4(struct scan *s, unsigned *out)
{
	unsigned v = 0;
	for (size_t end = s->at + 4; s->at < end; s->at++) {
		char c = s->at < s->n ? s->p[s->at] : 0;
		unsigned digit = c >= '0' && c <= '9'                 ? (unsigned)(c - '0')
				 : (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10)
								      : 16;
		if (digit == 16) return fail_at(s, "syntax", s->at);
		v = v << 4 | digit;
	}
	*out = v;
	return true;
}

static bool scan_escape(struct scan *s)
{
	size_t start = s->at++;
	char c = s->at < s->n ? s->p[s->at] : 0;
	unsigned high, low;
	if (c && c != 'u') {
		if (!strchr("\"\\/bfnrt", c)) return fail_at(s, "syntax", start);
		s->at++;
		return true;
	}
	if (!c) return fail_at(s, "syntax", start);
	s->at++;
	if (!scan_hex4(s, &high)) return false;
	if (high == 0) return fail_at(s, "nul", start);
	if (high < 0xd800 || high > 0xdfff) return true;
	if (high > 0xdbff || s->n - s->at < 2 || s->p[s->at] != '\\' || s->p[s->at + 1] != 'u')
		return fail_at(s, "utf8", start);
	s->at += 2;
	if (!scan_hex4(s, &low)) return false;
	return (low >= 0xdc00 && low <= 0xdfff) || fail_at(s, "utf8", start);
}

static bool scan_string(struct scan *s)
{
	s->at++;
	for (;;) {
		size_t start = s->at;
		unsigned char seen = 0, class = 0;
		for (; s->at < s->n && (class = string_class[(unsigned char)s->p[s->at]]) != 1; s->at++) seen |= class;
		if (seen && !utf8_valid(str_span(s->p + start, s->at - start)))
			return fail_at(s, "utf8", start + first_bad_utf8(str_span(s->p + start, s->at - start)));
		if (s->at == s->n) return fail_at(s, "syntax", s->at);
		if (s->p[s->at] == '"') {
			s->at++;
			return true;
		}
		if (s->p[s->at] != '\\') return fail_at(s, "syntax", s->at);
		if (!scan_escape(s)) return false;
	}
}

static bool scan_number(struct scan *s)
{
	size_t start = s->at;
	struct decimal d;
	while (s->at < s->n && json_is_number_byte(s->p[s->at])) s->at++;
	return decimal_parse(str_span(s->p + start, s->at - start), &d) || fail_at(s, "number", start);
}

static bool scan_word(struct scan *s, struct str word)
{
	if (!str_starts(str_span(s->p + s->at, s->n - s->at), word)) return fail_at(s, "syntax", s->at);
	s->at += word.n;
	return true;
}

static bool scan_value(struct scan *s);

static bool scan_member_name(struct scan *s)
{
	if (s->at == s->n || s->p[s->at] != '"') return fail_at(s, "syntax", s->at);
	if (!scan_string(s)) return false;
	skip_blank(s);
	if (s->at == s->n || s->p[s->at] != ':') return fail_at(s, "syntax", s->at);
	s->at++;
	return true;
}

static bool scan_container(struct scan *s, char close)
{
	if (++s->depth > s->depth_max) return fail_at(s, "depth", s->at);
	s->at++;
	skip_blank(s);
	if (s->at < s->n && s->p[s->at] == close) {
		s->at++;
		s->depth--;
		return true;
	}
	for (;;) {
		if (close == '}' && !scan_member_name(s)) return false;
		if (!scan_value(s)) return false;
		skip_blank(s);
		if (s->at == s->n || (s->p[s->at] != ',' && s->p[s->at] != close)) return fail_at(s, "syntax", s->at);
		if (s->p[s->at++] == close) break;
		skip_blank(s);
	}
	s->depth--;
	return true;
}

static bool scan_value(struct scan *s)
{
	skip_blank(s);
	char c = s->at < s->n ? s->p[s->at] : 0;
	switch (c) {
	case '{':
		return scan_container(s, '}');
	case '[':
		return scan_container(s, ']');
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, STR("true"));
	case 'f':
		return scan_word(s, STR("false"));
	case 'n':
		return scan_word(s, STR("null"));
	default:
		break;
	}
	if (c == '-' || (c >= '0' && c <= '9')) return scan_number(s);
	return fail_at(s, "syntax", s->at);
}

enum err json_scan(struct str text, unsigned depth_max, struct json_error *error)
{
	struct scan s = { .p = text.p, .n = text.n, .depth_max = depth_max, .error = error };
	if (text.n >= INT32_MAX) {
		fail_at(&s, "memory", 0);
		return ERR_MEMORY;
	}
	if (!scan_value(&s)) return s.depth > s.depth_max ? ERR_JSON_TOO_DEEP : ERR_MALFORMED_JSON;
	skip_blank(&s);
	if (s.at == s.n) return ERR_NONE;
	fail_at(&s, "trailing", s.at);
	return ERR_MALFORMED_JSON;
}

size_t json_scan_string_end(struct str text, size_t at)
{
	size_t start = at + 1;
	for (;;) {
		const char *quote = memchr(text.p + at + 1, '"', text.n - at - 1);
		CHECK(quote != NULL);
		at = (size_t)(quote - text.p);
		size_t slashes = 0;
		while (at - slashes > start && text.p[at - slashes - 1] == '\\') slashes++;
		if (slashes % 2 == 0) return at + 1;
	}
}
