/* Chunked bump allocator. Doubling chunks, the first recycled; a cap per arena. Never returns memory piecemeal. */
#include "common/core/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <malloc.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_EACH_OWN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_EACH_OWN 1
#endif
#endif
#ifndef ARENA_EACH_OWN
#define ARENA_EACH_OWN 0
#endif

struct arena_chunk {
	struct arena_chunk *next;
	size_t bytes;
	size_t used;
	_Alignas(16) char data[];
};

struct arena_hook {
	struct arena_hook *next;
	void (*fn)(void *ptr);
	void *ptr;
};

void arena_init(struct arena *a, size_t first_bytes, size_t bytes_max)
{
	*a = (struct arena){ .first_bytes = first_bytes, .bytes_max = bytes_max };
}

static void run_hooks(struct arena *a)
{
	while (a->hooks) {
		struct arena_hook *hook = a->hooks;
		a->hooks = hook->next;
		hook->fn(hook->ptr);
	}
}

void arena_reset(struct arena *a)
{
	run_hooks(a);
	while (a->chunk && (a->chunk->next || ARENA_EACH_OWN || a->chunk->bytes > a->first_bytes)) {
		struct arena_chunk *chunk = a->chunk;
		a->chunk = chunk->next;
		free(chunk);
	}
	if (a->chunk) a->chunk->used = 0;
	a->bytes_used = 0;
	a->overflow = false;
}

void arena_release(struct arena *a)
{
	arena_reset(a);
	free(a->chunk);
	a->chunk = NULL;
}

void arena_trim(void)
{
	malloc_trim(0);
}

static struct arena_chunk *add_chunk(struct arena *a, size_t bytes)
{
	struct arena_chunk *chunk = malloc(sizeof *chunk + bytes);
	CHECK(chunk != NULL);
	*chunk = (struct arena_chunk){ .next = a->chunk, .bytes = bytes };
	a->chunk = chunk;
	return chunk;
}

/* Room that its taker writes whole. */
static void *take(struct arena *a, size_t bytes)
{
	size_t need = ARENA_EACH_OWN ? bytes : (bytes + 15) & ~(size_t)15;
	if (need < bytes || need > a->bytes_max || a->bytes_used > a->bytes_max - need) {
		a->overflow = true;
		return NULL;
	}
	struct arena_chunk *chunk = a->chunk;
	if (ARENA_EACH_OWN) {
		chunk = add_chunk(a, need);
	} else if (!chunk || chunk->bytes - chunk->used < need) {
		size_t bytes_next = chunk ? chunk->bytes * 2 : a->first_bytes;
		chunk = add_chunk(a, need > bytes_next ? need : bytes_next);
	}
	void *p = chunk->data + chunk->used;
	chunk->used += need;
	a->bytes_used += need;
	return p;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	void *p = take(a, bytes);
	if (p) memset(p, 0, bytes);
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t bytes)
{
	size_t total;
	if (__builtin_mul_overflow(count, bytes, &total)) {
		a->overflow = true;
		return NULL;
	}
	return arena_alloc(a, total);
}

struct str arena_str(struct arena *a, struct str s)
{
	if (!s.p) return STR_NONE;
	char *p = take(a, s.n + 1);
	if (!p) return STR_NONE;
	if (s.n) memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return (struct str){ p, s.n };
}

const char *arena_strz(struct arena *a, struct str s)
{
	return arena_str(a, s).p;
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *p = n >= 0 ? take(a, (size_t)n + 1) : NULL;
	if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p ? (struct str){ p, (size_t)n } : STR_NONE;
}

void arena_on_release(struct arena *a, void (*fn)(void *ptr), void *ptr)
{
	struct arena_hook *hook = ARENA_NEW(a, struct arena_hook);
	if (!hook) {
		fn(ptr);
		return;
	}
	*hook = (struct arena_hook){ .next = a->hooks, .fn = fn, .ptr = ptr };
	a->hooks = hook;
}
