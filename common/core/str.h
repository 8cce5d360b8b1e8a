#ifndef COMMON_CORE_STR_H
#define COMMON_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** A borrowed run of bytes; never assumed NUL-terminated. {NULL, 0} means absent. */
struct str {
	const char *p;
	size_t n;
};

#define STR(lit)   ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_NONE   ((struct str){ NULL, 0 })
/** For printf's "%.*s". */
#define STR_FMT(s) (int)(s).n, (s).p

static inline struct str str_of(const char *z)
{
	return z ? (struct str){ z, strlen(z) } : STR_NONE;
}

static inline struct str str_span(const char *p, size_t n)
{
	return (struct str){ p, n };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/** str_eq_ci of two of one length. */
bool str_same_ci(const char *a, const char *b, size_t n);

/** Equality that ignores ASCII case (HTTP field names, schemes). */
static inline bool str_eq_ci(struct str a, struct str b)
{
	return a.n == b.n && str_same_ci(a.p, b.p, a.n);
}

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
int str_cmp(struct str a, struct str b);
/** Index of the first `c`, or -1. */
ptrdiff_t str_index(struct str s, char c);
bool str_contains(struct str s, struct str needle);
/** `s` from `from` on; empty past the end. */
struct str str_from(struct str s, size_t from);
static inline bool str_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/** Without leading and trailing spaces, tabs, CR and LF. */
static inline struct str str_trim(struct str s)
{
	while (s.n && str_is_blank(s.p[0])) s.p++, s.n--;
	while (s.n && str_is_blank(s.p[s.n - 1])) s.n--;
	return s;
}

/** Cuts the part before the first `sep` off *rest; false when *rest is absent. A last part without `sep` is returned too. */
bool str_cut(struct str *rest, char sep, struct str *part);
/** True when one of the parts of `list` between `sep` equals `item`. */
bool str_list_has(struct str list, char sep, struct str item);
/** Whole string as a decimal integer with optional '-'; false on any other byte or overflow. */
bool str_to_i64(struct str s, int64_t *out);
/** As str_to_i64, without sign. */
bool str_to_u64(struct str s, uint64_t *out);

/** For text whose room was measured before: writes at `to` and returns what is behind it. */
static inline char *str_put(char *to, struct str s)
{
	if (s.n) memcpy(to, s.p, s.n);
	return to + s.n;
}
enum { STR_U64_BYTES = 20 };
/** As str_put, in decimal: STR_U64_BYTES at most. */
char *str_put_u64(char *to, uint64_t v);

#endif
