/* Arrays and timestamps in PostgreSQL's text form. Session settings (DateStyle ISO, TimeZone Asia/Shanghai) are fixed when we
 * connect, see conn_params.c. */
#include "common/pg/text_form.h"

#include "common/core/clock.h"

enum { SHANGHAI_S = 8 * 3600, STAMP_BYTES = 19 /* YYYY-MM-DDTHH:MM:SS */, FRACTION_BYTES_MAX = 7 };

void array_begin(struct buf *b)
{
	buf_char(b, '{');
}

void array_add(struct buf *b, struct str value)
{
	if (b->n && b->p[b->n - 1] != '{') buf_char(b, ',');
	if (!value.p) {
		BUF_LIT(b, "NULL");
		return;
	}
	buf_char(b, '"');
	size_t from = 0;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] != '"' && value.p[i] != '\\') continue;
		buf_append(b, value.p + from, i - from);
		buf_char(b, '\\');
		from = i;
	}
	if (value.n > from) buf_append(b, value.p + from, value.n - from);
	buf_char(b, '"');
}

void array_end(struct buf *b)
{
	buf_char(b, '}');
}

void array_scan_init(struct array_scan *s, struct str literal)
{
	*s = (struct array_scan){ .text = literal };
	if (literal.n == 0 || literal.p[0] != '[') return;
	ptrdiff_t equals = str_index(literal, '='); /* "[0:2]={…}": bounds say nothing to JSON */
	if (equals > 0) s->at = (size_t)equals + 1;
}

static enum array_event quoted(struct array_scan *s, struct buf *scratch, struct str *value)
{
	buf_reset(scratch);
	for (s->at++; s->at < s->text.n; s->at++) {
		char c = s->text.p[s->at];
		if (c == '"') {
			s->at++;
			s->after_item = true;
			*value = scratch->n ? buf_view(scratch) : STR("");
			return buf_ok(scratch) ? ARRAY_VALUE : ARRAY_BROKEN;
		}
		if (c == '\\' && ++s->at == s->text.n) break;
		buf_char(scratch, s->text.p[s->at]);
	}
	return ARRAY_BROKEN;
}

static enum array_event bare(struct array_scan *s, struct str *value)
{
	size_t from = s->at;
	while (s->at < s->text.n && !strchr(",{}\"\\", s->text.p[s->at])) s->at++;
	*value = str_span(s->text.p + from, s->at - from);
	if (value->n == 0) return ARRAY_BROKEN;
	s->after_item = true;
	return str_eq(*value, STR("NULL")) ? ARRAY_NULL : ARRAY_VALUE;
}

enum array_event array_next(struct array_scan *s, struct buf *scratch, struct str *value)
{
	*value = STR_NONE;
	if (s->done) return s->at == s->text.n ? ARRAY_END : ARRAY_BROKEN;
	if (s->at >= s->text.n) return ARRAY_BROKEN;
	char c = s->text.p[s->at];
	if (c == '}') {
		if (s->depth == 0) return ARRAY_BROKEN;
		s->at++;
		s->after_item = true;
		s->done = --s->depth == 0;
		return ARRAY_CLOSE;
	}
	if (s->after_item) {
		if (c != ',' || ++s->at >= s->text.n) return ARRAY_BROKEN;
		c = s->text.p[s->at];
		s->after_item = false;
	}
	if (c == '{') {
		if (s->depth == ARRAY_DEPTH_MAX) return ARRAY_BROKEN;
		s->at++;
		s->depth++;
		return ARRAY_OPEN;
	}
	if (s->depth == 0) return ARRAY_BROKEN;
	return c == '"' ? quoted(s, scratch, value) : bare(s, value);
}

static bool digits_at(struct str s, size_t at, size_t n)
{
	if (at + n > s.n) return false;
	for (size_t i = at; i < at + n; i++)
		if (s.p[i] < '0' || s.p[i] > '9') return false;
	return true;
}

static int two(struct str s, size_t at)
{
	return (s.p[at] - '0') * 10 + (s.p[at + 1] - '0');
}

/* Eight bytes against a mask like "0000-00-": digits where it has '0', else its own byte. After XOR a digit is 0 to 9 and a
 * match 0; `slack` (0x76 and 0x7f) carries whatever is more into the high bit. */
static inline bool fits(const char *p, const char mask[8], const char slack[8])
{
	uint64_t v, m, add;
	memcpy(&v, p, 8);
	memcpy(&m, mask, 8);
	memcpy(&add, slack, 8);
	v ^= m;
	return ((v | (v + add)) & 0x8080808080808080u) == 0;
}

/* Length of "YYYY-MM-DD HH:MM:SS[.ffffff]" at the front, copied to `out` with a T; 0 when it is something else. */
static inline size_t stamp(struct str text, char out[TIMESTAMP_BYTES])
{
	const char *p = text.p;
	if (text.n < STAMP_BYTES) return 0;
	if (!fits(p, "0000-00-", "\x76\x76\x76\x76\x7f\x76\x76\x7f")) return 0;
	if (!fits(p + 8, "00 00:00", "\x76\x76\x7f\x76\x76\x7f\x76\x76")) return 0;
	if (!fits(p + 11, "00:00:00", "\x76\x76\x7f\x76\x76\x7f\x76\x76")) return 0;
	memcpy(out, p, STAMP_BYTES);
	out[10] = 'T';
	size_t n = STAMP_BYTES;
	if (n == text.n || p[n] != '.') return n;
	out[n++] = '.';
	for (; n < text.n && n < STAMP_BYTES + FRACTION_BYTES_MAX && p[n] >= '0' && p[n] <= '9'; n++) out[n] = p[n];
	return n > STAMP_BYTES + 1 ? n : 0;
}

size_t timestamp_iso(struct str text, char out[TIMESTAMP_BYTES])
{
	size_t n = stamp(text, out);
	return n == text.n ? n : 0;
}

/* Local time at an offset RFC 3339 cannot write, as local time at +08:00. */
static bool shift(char out[TIMESTAMP_BYTES], int64_t offset_s)
{
	char whole[STAMP_BYTES + 1], moved[RFC3339_BYTES];
	int64_t us;
	memcpy(whole, out, STAMP_BYTES);
	whole[STAMP_BYTES] = 'Z';
	if (!clock_parse_rfc3339(str_span(whole, sizeof whole), &us)) return false;
	if (clock_format_rfc3339(us - offset_s * 1000000, moved) < STAMP_BYTES) return false;
	memcpy(out, moved, STAMP_BYTES);
	return true;
}

size_t timestamptz_rfc3339(struct str text, char out[TIMESTAMP_BYTES])
{
	size_t n = stamp(text, out);
	if (n == 0) return 0;
	struct str zone = str_from(text, n);
	bool hours = zone.n >= 3 && (zone.p[0] == '+' || zone.p[0] == '-') && digits_at(zone, 1, 2);
	bool minutes = zone.n == 3 || (zone.n >= 6 && zone.p[3] == ':' && digits_at(zone, 4, 2));
	if (!hours || !minutes) return 0;
	if (zone.n == 9 && zone.p[6] == ':' && digits_at(zone, 7, 2)) {
		int64_t offset = two(zone, 1) * 3600 + two(zone, 4) * 60 + two(zone, 7);
		if (!shift(out, zone.p[0] == '-' ? -offset : offset)) return 0;
		zone = STR("+08");
	} else if (zone.n != 3 && zone.n != 6) {
		return 0;
	}
	memcpy(out + n, zone.p, zone.n);
	if (zone.n == 3) memcpy(out + n + 3, ":00", 3);
	return n + 6;
}
