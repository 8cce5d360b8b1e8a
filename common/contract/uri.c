/* Request targets as RFC 3986 has them: normal form of paths, decoding of values, forms. Text that two programs could read
 * differently is refused, since gateway and service must see one path. */
#include "common/contract/uri.h"

#include "common/contract/contract.h"
#include "common/core/map.h"
#include "common/core/utf8.h"
#include "common/core/word.h"

static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9') return c - '0';
	return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* The byte that the escape at s.p[i] means, or -1. */
static inline int escaped_byte(struct str s, size_t i)
{
	int high = s.n - i >= 3 ? hex_value(s.p[i + 1]) : -1, low = high >= 0 ? hex_value(s.p[i + 2]) : -1;
	return low < 0 ? -1 : high << 4 | low;
}

bool uri_decode(struct arena *a, struct str s, enum uri_part part, struct str *out)
{
	bool plus = part == URI_FORM && str_index(s, '+') >= 0;
	*out = s.p ? s : STR("");
	if (!plus && str_index(s, '%') < 0) return true;
	char *to = arena_alloc(a, s.n + 1);
	size_t n = 0;
	if (!to) return false;
	for (size_t i = 0; i < s.n; i++) {
		int byte = (unsigned char)s.p[i];
		if (byte == '%') {
			byte = escaped_byte(s, i);
			if (byte < 0) return false;
			i += 2;
		} else if (byte == '+' && plus) {
			byte = ' ';
		}
		to[n++] = (char)byte;
	}
	*out = str_span(to, n);
	return true;
}

static bool is_unreserved(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

/* Bytes of a path: those that stand for themselves are 0. Besides what is not printable ASCII, those are bad that may not stand
 * unescaped, and '\', which some programs take for '/'. */
enum { PLAIN, BAD, ESCAPE, DOT };
static const unsigned char path_bytes[256] = { [0 ... ' '] = BAD,
	[0x7f ... 0xff] = BAD,
	['\\'] = BAD,
	['?'] = BAD,
	['#'] = BAD,
	['"'] = BAD,
	['<'] = BAD,
	['>'] = BAD,
	['^'] = BAD,
	['`'] = BAD,
	['{'] = BAD,
	['|'] = BAD,
	['}'] = BAD,
	['%'] = ESCAPE,
	['.'] = DOT };

/* "." or "..", beginning at i. */
static bool is_dot_segment(struct str s, size_t i)
{
	size_t end = i + 1;
	if (end < s.n && s.p[end] == '.') end++;
	return end == s.n || s.p[end] == '/';
}

/* True when the path is in normal form already; *bad when it can have none. */
static bool is_normal(struct str s, bool *bad)
{
	bool normal = true;
	*bad = s.n == 0 || s.p[0] != '/';
	for (size_t i = word_name_run(s.p, s.n, false); i < s.n && !*bad; i++) {
		unsigned kind = path_bytes[(unsigned char)s.p[i]];
		if (kind == PLAIN) continue;
		if (kind == BAD) *bad = true;
		if (kind == ESCAPE) {
			normal = false;
			if (escaped_byte(s, i) <= 0) *bad = true;
		}
		if (kind != DOT) continue;
		if (s.p[i - 1] == '/' && is_dot_segment(s, i)) normal = false; /* i > 0 here */
		i += word_name_run(s.p + i + 1, s.n - i - 1, false);
	}
	return normal;
}

/* Unreserved characters decoded, the other escapes in upper case (RFC 3986 6.2.2). */
static size_t decode_unreserved(struct str s, char *to)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		int byte = s.p[i] == '%' ? escaped_byte(s, i) : -1;
		if (byte < 0) {
			to[n++] = s.p[i];
		} else if (is_unreserved(byte)) {
			to[n++] = (char)byte;
			i += 2;
		} else {
			to[n++] = '%';
			to[n++] = "0123456789ABCDEF"[byte >> 4];
			to[n++] = "0123456789ABCDEF"[byte & 15];
			i += 2;
		}
	}
	return n;
}

/* RFC 3986 5.2.4 on a path that begins with '/', in place. */
static size_t remove_dot_segments(char *p, size_t n)
{
	size_t out = 0;
	for (size_t i = 0; i < n;) { /* p[i] is '/' */
		size_t end = i + 1;
		while (end < n && p[end] != '/') end++;
		struct str segment = str_span(p + i + 1, end - i - 1);
		bool dot = str_eq(segment, STR(".")), dots = str_eq(segment, STR(".."));
		if (dots)
			while (out > 0 && p[--out] != '/') continue;
		if (!dot && !dots) {
			memmove(p + out, p + i, end - i);
			out += end - i;
		} else if (end == n) {
			p[out++] = '/';
		}
		i = end;
	}
	return out;
}

enum err contract_normalize_path(struct arena *a, struct str raw, struct str *out)
{
	bool bad;
	*out = raw;
	bool normal = is_normal(raw, &bad);
	if (bad) return ERR_MALFORMED_REQUEST;
	if (normal) return ERR_NONE;
	char *to = arena_alloc(a, raw.n + 1);
	if (!to) return ERR_MEMORY;
	size_t n = decode_unreserved(raw, to);
	*out = str_span(to, remove_dot_segments(to, n));
	return ERR_NONE;
}

static bool is_text(struct str s)
{
	return utf8_valid(s) && (s.n == 0 || !memchr(s.p, 0, s.n));
}

enum err contract_read_form(struct arena *a, struct str body, const struct json **out)
{
	struct json *form = json_new_object(a);
	struct map seen;
	struct str rest = body, pair;
	map_init(&seen, a);
	*out = NULL;
	while (str_cut(&rest, '&', &pair)) {
		struct str name, value;
		ptrdiff_t at = str_index(pair, '=');
		if (pair.n == 0) continue;
		if (at < 0) at = (ptrdiff_t)pair.n;
		bool ok = uri_decode(a, str_span(pair.p, (size_t)at), URI_FORM, &name) &&
			  uri_decode(a, str_from(pair, (size_t)at + 1), URI_FORM, &value);
		if (a->overflow) return ERR_MEMORY;
		if (!ok || !is_text(name) || !is_text(value) || name.n == 0 || map_get(&seen, name)) return ERR_SYNTAX;
		if (!map_set(&seen, name, form)) return ERR_MEMORY;
		json_add(a, form, name, json_new_string(a, value));
	}
	*out = form;
	return a->overflow ? ERR_MEMORY : ERR_NONE;
}
