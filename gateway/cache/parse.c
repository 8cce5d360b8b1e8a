/* The texts that the rules are made of: Cache-Control, dates, Vary, entity tags, ranges. Bytes come from anywhere: nothing here
 * trusts a length or an end. */
#include "gateway/cache/parse.h"

#include <stdlib.h>

static struct str skip_blank(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) s = str_span(s.p + 1, s.n - 1);
	return s;
}

/* ── Cache-Control ── */

/* The argument behind '='; quoted strings may hold commas. Quoted pairs keep their backslash: no argument of ours has one. */
static struct str take_value(struct str *rest)
{
	struct str s = skip_blank(*rest), value;
	if (s.n && s.p[0] == '"') {
		size_t end = 1;
		while (end < s.n && s.p[end] != '"') end += s.p[end] == '\\' && end + 1 < s.n ? 2 : 1;
		if (end < s.n) {
			value = str_span(s.p + 1, end - 1);
			*rest = str_span(s.p + end + 1, s.n - end - 1);
			return value;
		}
	}
	size_t end = 0;
	while (end < s.n && s.p[end] != ',') end++;
	*rest = str_span(s.p + end, s.n - end);
	value = str_trim(str_span(s.p, end));
	return value.p ? value : STR("");
}

void rules_directives_add(struct directives *d, struct str line)
{
	struct str rest = line;
	while (rest.n) {
		size_t end = 0;
		rest = skip_blank(rest);
		while (end < rest.n && !strchr(" \t,=", rest.p[end])) end++;
		struct str name = str_span(rest.p, end), value = STR_NONE;
		rest = skip_blank(str_span(rest.p + end, rest.n - end));
		if (rest.n && rest.p[0] == '=') {
			rest = str_span(rest.p + 1, rest.n - 1);
			value = take_value(&rest);
		}
		/* What stands between an argument and the next comma makes the directive one that we do not know. */
		struct str before = rest;
		while (rest.n && rest.p[0] != ',') rest = str_span(rest.p + 1, rest.n - 1);
		bool clean = str_trim(str_span(before.p, before.n - rest.n)).n == 0;
		if (name.n && clean) rules_directive_put(d, name, value);
		if (rest.n) rest = str_span(rest.p + 1, rest.n - 1);
	}
}

int64_t rules_seconds(struct str value)
{
	const int64_t most = INT64_C(1) << 31;
	int64_t n = 0;
	if (!value.n) return 0;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9') return 0;
		n = n * 10 + (value.p[i] - '0');
		if (n > most) n = most;
	}
	return n;
}

/* ── dates ── */

struct moment {
	int year, month, day, hour, minute, second;
};

static bool digits(const char *p, int n, int *out)
{
	*out = 0;
	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9') return false;
		*out = *out * 10 + (p[i] - '0');
	}
	return true;
}

static bool month_of(const char *p, int *out)
{
	static const char *const names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct",
		"nov", "dec" };
	for (int i = 0; i < 12; i++)
		if (memcmp(p, names[i], 3) == 0) {
			*out = i;
			return true;
		}
	return false;
}

static bool clock_of(const char *p, struct moment *m)
{
	return p[2] == ':' && p[5] == ':' && digits(p, 2, &m->hour) && digits(p + 3, 2, &m->minute) &&
	       digits(p + 6, 2, &m->second) && m->hour <= 23 && m->minute <= 59 && m->second <= 60;
}

static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
static const char *const long_days[] = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" };

static bool is_day(const char *p)
{
	for (size_t i = 0; i < ARRAY_LEN(days); i++)
		if (memcmp(p, days[i], 3) == 0) return true;
	return false;
}

/* "sun, 06 nov 1994 08:49:37 gmt" */
static bool read_fixdate(struct str s, struct moment *m)
{
	return s.n == 29 && is_day(s.p) && s.p[3] == ',' && s.p[4] == ' ' && digits(s.p + 5, 2, &m->day) &&
	       s.p[7] == ' ' && month_of(s.p + 8, &m->month) && s.p[11] == ' ' && digits(s.p + 12, 4, &m->year) &&
	       s.p[16] == ' ' && clock_of(s.p + 17, m) && memcmp(s.p + 25, " gmt", 4) == 0;
}

/* "sunday, 06-nov-94 08:49:37 gmt"; a year that looks more than 50 years ahead was in the last century */
static bool read_rfc850(struct str s, int this_year, struct moment *m)
{
	for (size_t i = 0; i < ARRAY_LEN(long_days); i++) {
		size_t n = strlen(long_days[i]);
		if (s.n != n + 24 || memcmp(s.p, long_days[i], n) != 0) continue;
		const char *p = s.p + n;
		if (p[0] != ',' || p[1] != ' ' || p[4] != '-' || p[8] != '-' || p[11] != ' ') return false;
		if (!digits(p + 2, 2, &m->day) || !month_of(p + 5, &m->month) || !digits(p + 9, 2, &m->year))
			return false;
		m->year += this_year - this_year % 100;
		if (m->year > this_year + 50) m->year -= 100;
		return clock_of(p + 12, m) && memcmp(p + 20, " gmt", 4) == 0;
	}
	return false;
}

/* "sun nov  6 08:49:37 1994" */
static bool read_asctime(struct str s, struct moment *m)
{
	if (s.n != 24 || !is_day(s.p) || s.p[3] != ' ' || s.p[7] != ' ' || s.p[10] != ' ' || s.p[19] != ' ')
		return false;
	bool padded = s.p[8] == ' ';
	return month_of(s.p + 4, &m->month) && digits(s.p + 8 + padded, 2 - padded, &m->day) && clock_of(s.p + 11, m) &&
	       digits(s.p + 20, 4, &m->year);
}

/* Days since 1970 of a date in the proleptic Gregorian calendar; days past the end of a month go on into the next. */
static int64_t days_of(int64_t y, int month, int day)
{
	static const short before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	int64_t last = y - 1;
	int64_t n = y > 0 ? 365 * y + last / 4 - last / 100 + last / 400 + 1 : 0; /* year 0 is a leap year */
	return n + before[month] + (leap && month > 1) + day - 1 - 719528;
}

static int year_of(int64_t now_s)
{
	int year = 1970 + (int)(now_s / 31556952);
	return year < 1970 || year > 9999 ? 2026 : year;
}

bool rules_date(struct str text, int64_t now_s, int64_t *out)
{
	char lower[40];
	struct moment m = { 0 };
	if (text.n < 24 || text.n > sizeof lower) return false;
	for (size_t i = 0; i < text.n; i++)
		lower[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] | 0x20) : text.p[i];
	struct str s = str_span(lower, text.n);
	if (!read_fixdate(s, &m) && !read_asctime(s, &m) && !read_rfc850(s, year_of(now_s), &m)) return false;
	*out = days_of(m.year, m.month, m.day) * 86400 + m.hour * 3600 + m.minute * 60 + m.second;
	return true;
}

/* ── Vary ── */

void rules_vary_begin(struct vary_names *v, struct http_fields f)
{
	*v = (struct vary_names){ .fields = f };
}

bool rules_vary_next(struct vary_names *v, struct str *name)
{
	for (;;) {
		while (str_cut(&v->rest, ',', name)) {
			*name = str_trim(*name);
			if (name->n) return true;
		}
		if (v->at == v->fields.count) return false;
		const struct http_field *f = &v->fields.items[v->at++];
		v->rest = str_eq_ci(f->name, STR("vary")) ? f->value : STR_NONE;
	}
}

bool rules_varies_by_all(struct http_fields f)
{
	struct vary_names v;
	struct str name;
	rules_vary_begin(&v, f);
	while (rules_vary_next(&v, &name))
		if (str_eq(name, STR("*"))) return true;
	return false;
}

enum { SORTED_MAX = 32 };

static int compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Members in lower case and without blanks, sorted: their order and form say nothing. */
static void sort_members(struct buf *out, size_t from)
{
	struct str members[SORTED_MAX], rest, part;
	unsigned count = 0;
	char text[1024];
	size_t n = 0;
	if (out->n - from > sizeof text) return;
	for (size_t i = from; i < out->n; i++) {
		char c = out->p[i];
		if (c == ' ' || c == '\t') continue;
		text[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	rest = str_span(text, n);
	while (count < SORTED_MAX && str_cut(&rest, ',', &part)) members[count++] = part;
	if (rest.n) return; /* too many: compared as they are */
	qsort(members, count, sizeof *members, compare);
	out->n = from;
	for (unsigned i = 0; i < count; i++) {
		if (i) buf_char(out, ',');
		buf_str(out, members[i]);
	}
}

void rules_selecting(struct buf *out, struct http_fields asked, struct str name)
{
	size_t from = out->n;
	bool found = false;
	for (unsigned i = 0; i < asked.count; i++) {
		if (asked.items[i].name.n != name.n || !str_eq_ci(asked.items[i].name, name)) continue;
		struct str rest = asked.items[i].value, part;
		if (!rest.n) rest = STR("");
		while (str_cut(&rest, ',', &part)) {
			if (found) buf_char(out, ',');
			buf_str(out, str_trim(part));
			found = true;
		}
		found = true;
	}
	if (!found) buf_char(out, '\0');
	if (found && str_eq_ci(name, STR("accept-language"))) sort_members(out, from);
}

/* ── conditions ── */

static struct str without_weak(struct str tag)
{
	return str_starts(tag, STR("W/")) ? str_from(tag, 2) : tag;
}

/* Cuts the next entity tag off a list: quoted, weak or not, or whatever stands between commas. */
static bool next_tag(struct str *list, struct str *tag)
{
	struct str s = *list;
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == ',')) s = str_span(s.p + 1, s.n - 1);
	if (!s.n) return false;
	size_t quote = str_starts(s, STR("W/\"")) ? 2 : 0, end = quote + 1;
	if (s.p[quote] == '"') {
		while (end < s.n && s.p[end] != '"') end++;
		end = end < s.n ? end + 1 : s.n;
	} else {
		end = 0;
		while (end < s.n && s.p[end] != ' ' && s.p[end] != '\t' && s.p[end] != ',') end++;
	}
	*tag = str_span(s.p, end);
	*list = str_span(s.p + end, s.n - end);
	return true;
}

static bool list_matches(struct str list, struct str etag)
{
	struct str tag;
	if (str_eq(str_trim(list), STR("*"))) return true;
	while (etag.p && next_tag(&list, &tag))
		if (str_eq(without_weak(tag), without_weak(etag))) return true;
	return false;
}

bool rules_not_modified(struct http_fields asked, struct str etag, struct str last_modified, int64_t now_s)
{
	bool conditional = false;
	int64_t since_s, changed_s;
	for (unsigned i = 0; i < asked.count; i++) {
		if (asked.items[i].name.n != 13 || !str_eq_ci(asked.items[i].name, STR("if-none-match"))) continue;
		conditional = true;
		if (list_matches(asked.items[i].value, etag)) return true;
	}
	if (conditional || !last_modified.p) return false;
	return rules_date(http_get(asked, STR("if-modified-since")), now_s, &since_s) &&
	       rules_date(last_modified, now_s, &changed_s) && changed_s <= since_s;
}

/* Digits as a size; false when there are none. Past any size it is just large. */
static bool read_size(struct str s, size_t *out)
{
	*out = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9') return false;
		*out = *out > SIZE_MAX / 20 ? SIZE_MAX / 2 : *out * 10 + (size_t)(s.p[i] - '0');
	}
	return s.n > 0;
}

bool rules_range(struct http_fields asked, struct str etag, size_t size, size_t *from, size_t *to)
{
	struct str range = http_get(asked, STR("range")), unless = http_get(asked, STR("if-range")), first;
	size_t end;
	if (!str_starts(range, STR("bytes=")) || http_count(asked, STR("range")) != 1) return false;
	/* Only a strong tag tells that the parts fit together; a date might be of the same second. */
	if (unless.p && (!etag.p || etag.p[0] != '"' || !str_eq(unless, etag))) return false;
	range = str_from(range, 6);
	if (!str_cut(&range, '-', &first) || !range.p) return false;
	bool has_first = read_size(first, from), has_last = read_size(range, &end);
	if ((first.n && !has_first) || (range.n && !has_last) || (!has_first && !has_last)) return false;
	if (!has_first) {
		*from = end < size ? size - end : 0;
		end = SIZE_MAX;
	}
	*to = !has_last || end >= size ? size - 1 : end;
	return size > 0 && *from < size && *from <= *to;
}
