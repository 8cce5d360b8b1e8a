#ifndef COMMON_CORE_BUF_H
#define COMMON_CORE_BUF_H

#include "common/core/check.h"
#include "common/core/str.h"

/** Growing bytes with a limit. Past it the sticky `overflow` is set and nothing is written: append freely, check once. */
struct buf {
	char *p;
	size_t n; /* bytes held */
	size_t cap; /* bytes allocated */
	size_t max; /* never grows past this */
	bool overflow;
};

void buf_init(struct buf *b, size_t bytes_max);
/** Frees the bytes and makes the buffer empty again. */
void buf_free(struct buf *b);
/** Keeps the allocation; shrinks it when it grew past 64 KiB. */
void buf_reset(struct buf *b);
/** Room for `n` more bytes at b->p + b->n, or NULL on overflow; raise b->n after writing. */
char *buf_reserve(struct buf *b, size_t n);
void buf_append_slow(struct buf *b, const char *p, size_t n);
PRINTF_LIKE(2, 3) void buf_printf(struct buf *b, const char *fmt, ...);
void buf_i64(struct buf *b, int64_t v);
/** Removes `n` bytes from the front. */
void buf_consume(struct buf *b, size_t n);

static inline void buf_append(struct buf *b, const char *p, size_t n)
{
	if (__builtin_expect(b->cap - b->n >= n && !b->overflow && n, 1)) {
		memcpy(b->p + b->n, p, n);
		b->n += n;
		return;
	}
	if (n) buf_append_slow(b, p, n);
}

static inline void buf_str(struct buf *b, struct str s)
{
	buf_append(b, s.p, s.n);
}

static inline void buf_char(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

#define BUF_LIT(b, lit) buf_append((b), "" lit, sizeof(lit) - 1)

static inline struct str buf_view(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

static inline bool buf_ok(const struct buf *b)
{
	return !b->overflow;
}

#endif
