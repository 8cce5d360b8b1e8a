#ifndef COMMON_CRYPTO_TILE_H
#define COMMON_CRYPTO_TILE_H

#include "common/core/buf.h"
#include "common/crypto/merkle.h"

/* A log as files (C2SP tlog-tiles): tiles of height 8, each up to 256 hashes side by side, and bundles of as many entries. */

enum { TILE_HEIGHT = 8, TILE_WIDTH = 256, TILE_LEVEL_MAX = 7, TILE_BYTES = TILE_WIDTH * SHA256_BYTES };
enum { ENTRY_BYTES_MAX = 0xffff, BUNDLE_BYTES_MAX = TILE_WIDTH * (ENTRY_BYTES_MAX + 2) };
enum { TILE_ENTRIES = -1 }; /* level of entry bundles */
enum { TILE_PATH_BYTES = 64 };

struct tile {
	int level; /* 0 to TILE_LEVEL_MAX, or TILE_ENTRIES */
	uint64_t index;
	unsigned width; /* 1 to TILE_WIDTH; less than that: a partial tile */
};

/** Hashes (or entries) at this level in a tree of `size` leaves. */
uint64_t tile_hashes(int level, uint64_t size);
/** Tiles at this level, a partial one included. */
uint64_t tile_count(int level, uint64_t size);
/** The tile at this place as wide as `size` has it; false when there is none. */
bool tile_at(int level, uint64_t index, uint64_t size, struct tile *out);
/** Writes tile/<level>/<x001/234>[.p/<width>] with a NUL; returns its length. The tile must be a possible one. */
size_t tile_path(const struct tile *t, char out[TILE_PATH_BYTES]);
/** Exactly what tile_path writes. Fails: ERR_SYNTAX. */
MUST_USE enum err tile_read_path(struct str path, struct tile *out);
/**
 * Where a node of the tree is: hashes [*first, *first + *count) of the tile, which tile_fold joins to the node.
 * False when the tree of `size` leaves has no such node.
 */
bool tile_of_node(unsigned level, uint64_t index, uint64_t size, struct tile *out, unsigned *first, unsigned *count);
/** Root over `count` hashes, a power of two up to TILE_WIDTH, of a tile's bytes from hash `first` on. */
void tile_fold(struct str bytes, unsigned first, unsigned count, struct merkle_hash *out);

/** A tile with the nodes inside it, each hashed once: the hashes themselves, then the roots of each two of them, of each four, … */
struct tile_nodes {
	unsigned width;
	struct merkle_hash node[2 * TILE_WIDTH - 2]; /* height h from 2 × TILE_WIDTH − (2 × TILE_WIDTH >> h) on */
};
/** Takes the tile's hashes, wider than before or not; what it had of another tree is forgotten. False, and nothing is taken, unless they are 1 to TILE_WIDTH whole ones. */
bool tile_nodes_fill(struct tile_nodes *t, struct str bytes);
/** The root of the 2^height hashes from index << height on, height < TILE_HEIGHT; NULL when they are not all there. */
const struct merkle_hash *tile_nodes_get(const struct tile_nodes *t, unsigned height, unsigned index);

/** Appends a 16-bit length and the entry; an entry over ENTRY_BYTES_MAX sets the buffer's overflow. */
void bundle_append(struct buf *out, struct str entry);
/** Cuts the first entry off *rest. Fails: ERR_SYNTAX when it is cut short; nothing is left to read when rest->n is 0. */
MUST_USE enum err bundle_next(struct str *rest, struct str *entry);

#endif
