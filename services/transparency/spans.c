/* The right edge of the tree, as tiles have it: enough for the roots of old and new log and the proof that one is the other's beginning. */
#include "services/transparency/transparency.h"

#include "common/core/id.h"

enum { HEX_BYTES = 2 * SHA256_BYTES };

enum err spans_init(struct spans *s, struct arena *a, uint64_t size, unsigned more)
{
	*s = (struct spans){ .size = size };
	for (unsigned l = 0; l <= TILE_LEVEL_MAX; l++) {
		struct span *at = &s->level[l];
		at->first = size >> (TILE_HEIGHT * l) & ~(uint64_t)(TILE_WIDTH - 1);
		at->cap = TILE_WIDTH + 1 + (unsigned)((uint64_t)more >> (TILE_HEIGHT * l));
		at->bytes = arena_alloc(a, (size_t)at->cap * SHA256_BYTES);
		if (!at->bytes) return ERR_MEMORY;
	}
	return ERR_NONE;
}

bool spans_fill(struct spans *s, unsigned level, struct str hex)
{
	if (level > TILE_LEVEL_MAX) return false;
	struct span *at = &s->level[level];
	uint64_t wanted = (s->size >> (TILE_HEIGHT * level)) - at->first;
	if (at->count || wanted > TILE_WIDTH || hex.n != wanted * HEX_BYTES) return false;
	at->count = (unsigned)wanted;
	return id_unhex(hex, at->bytes, (size_t)wanted * SHA256_BYTES);
}

static void fold(const struct span *at, unsigned from, unsigned count, struct merkle_hash *out)
{
	const unsigned char *bytes = at->bytes + (size_t)from * SHA256_BYTES;
	tile_fold(str_span((const char *)bytes, (size_t)count * SHA256_BYTES), 0, count, out);
}

static void put(struct spans *s, unsigned level, const struct merkle_hash *hash)
{
	struct span *at = &s->level[level];
	struct merkle_hash above;
	CHECK(at->count < at->cap);
	memcpy(at->bytes + (size_t)at->count++ * SHA256_BYTES, hash->bytes, SHA256_BYTES);
	if (at->count % TILE_WIDTH || level == TILE_LEVEL_MAX) return;
	fold(at, at->count - TILE_WIDTH, TILE_WIDTH, &above);
	put(s, level + 1, &above);
}

void spans_append(struct spans *s, const struct merkle_hash *leaf)
{
	s->size++;
	put(s, 0, leaf);
}

enum err spans_read(void *spans, unsigned level, uint64_t index, struct merkle_hash *out)
{
	const struct spans *s = spans;
	unsigned height = level % TILE_HEIGHT, width = 1u << height;
	if (level / TILE_HEIGHT > TILE_LEVEL_MAX) return ERR_NOT_FOUND;
	const struct span *at = &s->level[level / TILE_HEIGHT];
	uint64_t start = index << height;
	if (start < at->first || start - at->first + width > at->count) return ERR_NOT_FOUND;
	fold(at, (unsigned)(start - at->first), width, out);
	return ERR_NONE;
}
