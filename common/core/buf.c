/* The growing byte buffer: malloc-backed, with a maximum and a sticky overflow. */
#include "common/core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_KEEP_BYTES = 64 * 1024 };

void buf_init(struct buf *b, size_t bytes_max)
{
	*b = (struct buf){ .max = bytes_max };
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	if (b->cap > BUF_KEEP_BYTES) {
		buf_free(b);
		return;
	}
	b->n = 0;
	b->overflow = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->overflow || n > b->max || b->n > b->max - n) {
		b->overflow = true;
		return NULL;
	}
	if (b->cap - b->n < n) {
		size_t cap = b->cap ? b->cap : 256;
		while (cap < b->n + n) cap *= 2;
		if (cap > b->max) cap = b->max;
		char *p = realloc(b->p, cap);
		CHECK(p != NULL);
		b->p = p;
		b->cap = cap;
	}
	return b->p + b->n;
}

void buf_append_slow(struct buf *b, const char *p, size_t n)
{
	char *to = buf_reserve(b, n);
	if (!to) return;
	memcpy(to, p, n);
	b->n += n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *to = n >= 0 ? buf_reserve(b, (size_t)n + 1) : NULL;
	if (to) {
		vsnprintf(to, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void buf_i64(struct buf *b, int64_t v)
{
	char text[1 + STR_U64_BYTES], *to = text;
	if (v < 0) *to++ = '-';
	to = str_put_u64(to, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
	buf_append(b, text, (size_t)(to - text));
}

void buf_consume(struct buf *b, size_t n)
{
	CHECK(n <= b->n);
	b->n -= n;
	if (n && b->n) memmove(b->p, b->p + n, b->n);
}
