#ifndef COMMON_CORE_ARENA_H
#define COMMON_CORE_ARENA_H

#include "common/core/check.h"
#include "common/core/str.h"

struct arena_chunk;
struct arena_hook;

/**
 * Memory with one lifetime (boot, connection, request): allocate freely, release at once.
 * Past bytes_max it sets the sticky `overflow` and returns NULL; callers may check once at the end.
 * Under AddressSanitizer every allocation is a malloc of its own, so that overruns show.
 */
struct arena {
	struct arena_chunk *chunk; /* newest first */
	struct arena_hook *hooks;
	size_t bytes_used;
	size_t bytes_max;
	size_t first_bytes;
	bool overflow;
};

/** Makes an empty arena; nothing is allocated before the first use. */
void arena_init(struct arena *a, size_t first_bytes, size_t bytes_max);
/** Runs the release hooks, newest first, and frees everything but the first chunk, which is kept for reuse. */
void arena_reset(struct arena *a);
/** As arena_reset, but frees the first chunk too. */
void arena_release(struct arena *a);
/** Zeroed memory, aligned for any type; NULL (and sticky overflow) past the limit. */
void *arena_alloc(struct arena *a, size_t bytes);
/** As arena_alloc, for `count` elements, checked for overflow. */
void *arena_array(struct arena *a, size_t count, size_t bytes);
/** Copies `s` (a NUL follows it, so .p is also a C string). Absent stays absent. */
struct str arena_str(struct arena *a, struct str s);
const char *arena_strz(struct arena *a, struct str s);
PRINTF_LIKE(2, 3) struct str arena_printf(struct arena *a, const char *fmt, ...);
/** Gives what start-up or a reload took and freed back to the kernel; takes about a millisecond, so at start only. */
void arena_trim(void);
/** Runs fn(ptr) when the arena is reset or released: for objects of other libraries. */
void arena_on_release(struct arena *a, void (*fn)(void *ptr), void *ptr);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
