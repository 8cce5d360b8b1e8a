/* Nodes of the tree from tiles that came with a query, as JSON: [{"level":0,"tile":3,"hashes":"<hexadecimal>"},…]. */
#include "services/transparency/transparency.h"

#include "common/core/id.h"

enum err tiles_read(void *tiles, unsigned level, uint64_t index, struct merkle_hash *out)
{
	const struct tiles *t = tiles;
	unsigned height = level % TILE_HEIGHT;
	uint64_t start = index << height;
	for (const struct json *v = json_first(t->list); v; v = json_next(v)) {
		if (json_get_i64(v, "level", -1) != level / TILE_HEIGHT ||
		    (uint64_t)json_get_i64(v, "tile", -1) != start / TILE_WIDTH)
			continue;
		struct str hex = json_get_str(v, "hashes");
		size_t from = (start % TILE_WIDTH) * 2 * SHA256_BYTES, n = ((size_t)2 * SHA256_BYTES) << height;
		char *bytes = arena_alloc(t->a, n / 2);
		if (!bytes) return ERR_MEMORY;
		if (from + n > hex.n || !id_unhex(str_span(hex.p + from, n), bytes, n / 2)) return ERR_NOT_FOUND;
		tile_fold(str_span(bytes, n / 2), 0, 1u << height, out);
		return ERR_NONE;
	}
	return ERR_NOT_FOUND;
}
