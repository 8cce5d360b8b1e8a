/* Names and arithmetic of a log's tiles. Pure: reading and writing the files is the caller's. A path has one spelling. */
#include "common/crypto/tile.h"

#include <stdio.h>

enum { GROUP = 1000, GROUP_DIGITS = 3, GROUPS_MAX = 7 }; /* 2^63 has 19 digits */

uint64_t tile_hashes(int level, uint64_t size)
{
	CHECK(level >= TILE_ENTRIES && level <= TILE_LEVEL_MAX);
	return level <= 0 ? size : size >> (TILE_HEIGHT * level);
}

uint64_t tile_count(int level, uint64_t size)
{
	uint64_t hashes = tile_hashes(level, size);
	return hashes / TILE_WIDTH + (hashes % TILE_WIDTH != 0);
}

bool tile_at(int level, uint64_t index, uint64_t size, struct tile *out)
{
	if (size > MERKLE_SIZE_MAX || index >= tile_count(level, size)) return false;
	uint64_t left = tile_hashes(level, size) - index * TILE_WIDTH;
	*out = (struct tile){ level, index, left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH };
	return true;
}

size_t tile_path(const struct tile *t, char out[TILE_PATH_BYTES])
{
	unsigned groups[GROUPS_MAX], count = 0;
	uint64_t rest = t->index;
	CHECK(t->width >= 1 && t->width <= TILE_WIDTH && t->index <= MERKLE_SIZE_MAX / TILE_WIDTH);
	CHECK(t->level >= TILE_ENTRIES && t->level <= TILE_LEVEL_MAX);
	size_t n = t->level == TILE_ENTRIES ? (size_t)snprintf(out, TILE_PATH_BYTES, "tile/entries")
					    : (size_t)snprintf(out, TILE_PATH_BYTES, "tile/%d", t->level);
	do {
		groups[count++] = (unsigned)(rest % GROUP);
		rest /= GROUP;
	} while (rest);
	while (count-- > 0)
		n += (size_t)snprintf(out + n, TILE_PATH_BYTES - n, "/%s%03u", count ? "x" : "", groups[count]);
	if (t->width < TILE_WIDTH) n += (size_t)snprintf(out + n, TILE_PATH_BYTES - n, ".p/%u", t->width);
	CHECK(n < TILE_PATH_BYTES);
	return n;
}

/* Decimal of at most three digits; `fixed`: exactly three, else without leading zeros. */
static bool read_number(struct str s, bool fixed, unsigned *out)
{
	unsigned v = 0;
	if (s.n == 0 || s.n > GROUP_DIGITS || (fixed && s.n != GROUP_DIGITS)) return false;
	if (!fixed && s.n > 1 && s.p[0] == '0') return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9') return false;
		v = v * 10 + (unsigned)(s.p[i] - '0');
	}
	*out = v;
	return true;
}

static bool read_level(struct str s, int *level)
{
	unsigned v;
	*level = TILE_ENTRIES;
	if (str_eq(s, STR("entries"))) return true;
	if (!read_number(s, false, &v) || v > TILE_LEVEL_MAX) return false;
	*level = (int)v;
	return true;
}

/* x001/234: every group but the last has an x, and the first is not a needless x000. */
static bool read_index(struct str s, uint64_t *index)
{
	struct str part;
	unsigned v, groups = 0;
	*index = 0;
	while (str_cut(&s, '/', &part)) {
		bool last = !s.p;
		if (!last && (part.n == 0 || part.p[0] != 'x')) return false;
		if (!read_number(last ? part : str_from(part, 1), true, &v)) return false;
		if (groups++ >= GROUPS_MAX || (!last && groups == 1 && v == 0)) return false;
		if (*index > (MERKLE_SIZE_MAX / TILE_WIDTH - v) / GROUP) return false;
		*index = *index * GROUP + v;
	}
	return groups > 0;
}

enum err tile_read_path(struct str path, struct tile *out)
{
	struct str part, width = STR_NONE;
	*out = (struct tile){ .width = TILE_WIDTH };
	if (!str_starts(path, STR("tile/"))) return ERR_SYNTAX;
	path = str_from(path, 5);
	if (!str_cut(&path, '/', &part) || !path.p || !read_level(part, &out->level)) return ERR_SYNTAX;
	ptrdiff_t dot = str_index(path, '.');
	if (dot >= 0) {
		width = str_from(path, (size_t)dot);
		path.n = (size_t)dot;
		if (!str_starts(width, STR(".p/"))) return ERR_SYNTAX;
		if (!read_number(str_from(width, 3), false, &out->width)) return ERR_SYNTAX;
		if (out->width < 1 || out->width >= TILE_WIDTH) return ERR_SYNTAX;
	}
	return read_index(path, &out->index) ? ERR_NONE : ERR_SYNTAX;
}

bool tile_of_node(unsigned level, uint64_t index, uint64_t size, struct tile *out, unsigned *first, unsigned *count)
{
	if (level >= MERKLE_LEVELS || size > MERKLE_SIZE_MAX || index >= size >> level) return false;
	unsigned within = level % TILE_HEIGHT;
	uint64_t hash = index << within; /* below size >> (level - within) */
	*first = (unsigned)(hash % TILE_WIDTH);
	*count = 1u << within;
	return tile_at((int)(level / TILE_HEIGHT), hash / TILE_WIDTH, size, out);
}

void tile_fold(struct str bytes, unsigned first, unsigned count, struct merkle_hash *out)
{
	struct merkle_hash row[TILE_WIDTH];
	CHECK(count && count <= TILE_WIDTH && (count & (count - 1)) == 0);
	CHECK(first <= TILE_WIDTH - count && bytes.n >= (size_t)(first + count) * SHA256_BYTES);
	memcpy(row, bytes.p + (size_t)first * SHA256_BYTES, (size_t)count * SHA256_BYTES);
	for (; count > 1; count /= 2)
		for (unsigned i = 0; i < count / 2; i++) merkle_node(&row[2 * i], &row[2 * i + 1], &row[i]);
	*out = row[0];
}

static struct merkle_hash *row_of(struct tile_nodes *t, unsigned height)
{
	return &t->node[2 * TILE_WIDTH - (2 * TILE_WIDTH >> height)];
}

bool tile_nodes_fill(struct tile_nodes *t, struct str bytes)
{
	unsigned width = (unsigned)(bytes.n / SHA256_BYTES), had = t->width < width ? t->width : width;
	if (bytes.n == 0 || bytes.n > TILE_BYTES || bytes.n % SHA256_BYTES) return false;
	if (had && memcmp(t->node, bytes.p, (size_t)had * SHA256_BYTES) != 0) t->width = had = 0;
	if (width <= t->width) return true;
	memcpy(t->node[had].bytes, bytes.p + (size_t)had * SHA256_BYTES, (size_t)(width - had) * SHA256_BYTES);
	for (unsigned h = 1; h < TILE_HEIGHT; h++) {
		const struct merkle_hash *below = row_of(t, h - 1);
		struct merkle_hash *row = row_of(t, h);
		for (unsigned i = t->width >> h; i < width >> h; i++)
			merkle_node(&below[2 * i], &below[2 * i + 1], &row[i]);
	}
	t->width = width;
	return true;
}

const struct merkle_hash *tile_nodes_get(const struct tile_nodes *t, unsigned height, unsigned index)
{
	if (height >= TILE_HEIGHT || (uint64_t)index + 1 > t->width >> height) return NULL;
	return &t->node[2 * TILE_WIDTH - (2 * TILE_WIDTH >> height) + index];
}

void bundle_append(struct buf *out, struct str entry)
{
	char head[2] = { (char)(entry.n >> 8 & 0xff), (char)(entry.n & 0xff) };
	if (entry.n > ENTRY_BYTES_MAX || !buf_reserve(out, entry.n + sizeof head)) {
		out->overflow = true;
		return;
	}
	buf_append(out, head, sizeof head);
	buf_str(out, entry);
}

enum err bundle_next(struct str *rest, struct str *entry)
{
	if (rest->n < 2) return ERR_SYNTAX;
	size_t n = (size_t)(unsigned char)rest->p[0] << 8 | (unsigned char)rest->p[1];
	if (rest->n - 2 < n) return ERR_SYNTAX;
	*entry = str_span(rest->p + 2, n);
	*rest = str_span(rest->p + 2 + n, rest->n - 2 - n);
	return ERR_NONE;
}
