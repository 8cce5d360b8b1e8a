/* Borrowed strings: comparison, splitting, strict numbers. No allocation. */
#include "common/core/str.h"

#include "common/core/word.h"

static inline char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_same_ci(const char *a, const char *b, size_t n)
{
	if (n >= 8) {
		for (size_t i = 8; i + 8 < n; i += 8)
			if (word_lower(word_load(a + i)) != word_lower(word_load(b + i))) return false;
		return word_ends_same_ci(a, b, n);
	}
	if (n >= 4) return word_lower(word_load_short(a, n)) == word_lower(word_load_short(b, n));
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i])) return false;
	return true;
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

ptrdiff_t str_index(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? at - s.p : -1;
}

bool str_contains(struct str s, struct str needle)
{
	return needle.n == 0 || (s.n >= needle.n && memmem(s.p, s.n, needle.p, needle.n) != NULL);
}

struct str str_from(struct str s, size_t from)
{
	if (from >= s.n) return (struct str){ s.p ? s.p + s.n : NULL, 0 };
	return (struct str){ s.p + from, s.n - from };
}

bool str_cut(struct str *rest, char sep, struct str *part)
{
	if (!rest->p) return false;
	ptrdiff_t at = str_index(*rest, sep);
	if (at < 0) {
		*part = *rest;
		*rest = STR_NONE;
		return true;
	}
	*part = (struct str){ rest->p, (size_t)at };
	rest->p += at + 1;
	rest->n -= (size_t)at + 1;
	return true;
}

bool str_list_has(struct str list, char sep, struct str item)
{
	struct str part;
	while (str_cut(&list, sep, &part))
		if (str_eq(part, item)) return true;
	return false;
}

bool str_to_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;
	if (s.n == 0) return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(s.p[i] - '0');
		if (s.p[i] < '0' || digit > 9) return false;
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v)) return false;
	}
	*out = v;
	return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
	bool negative = s.n && s.p[0] == '-';
	uint64_t v;
	if (!str_to_u64(str_from(s, negative ? 1 : 0), &v)) return false;
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

char *str_put_u64(char *to, uint64_t v)
{
	size_t n = 1;
	for (uint64_t rest = v; rest >= 10; rest /= 10) n++;
	for (size_t at = n; at; v /= 10) to[--at] = (char)('0' + v % 10);
	return to + n;
}
