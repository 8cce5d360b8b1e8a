#ifndef GATEWAY_CACHE_STORE_H
#define GATEWAY_CACHE_STORE_H

#include "gateway/cache/entry.h"

/*
 * The first level: entries of this process by key, bounded by bytes. Who stays is decided by S3-FIFO: newcomers pass through a small
 * queue and only those asked for again reach the main one, so that a harvester who reads everything once drives nothing out.
 */
struct store;

enum { STORE_VARIANTS_MAX = 16 };

/** `entry_bytes_max`: larger answers are not kept; 0: a sixteenth of the whole. */
struct store *store_new(size_t bytes_max, size_t entry_bytes_max);
void store_free(struct store *s);

/** Variants of a key, newest first: start with NULL. The hash is id_hash of the key. Borrowed. */
struct entry *store_next(const struct store *s, uint64_t hash, struct str key, struct entry *before);
/** The variant that the request selects, counted as a use; NULL. Borrowed until the store changes. */
struct entry *store_find(struct store *s, uint64_t hash, struct str key, struct http_fields asked);
/** Puts the entry (takes a reference of its own) in the place of variants that select the same request. False: too large. */
bool store_put(struct store *s, struct entry *e, struct http_fields asked);
/** Puts a renewed entry in the place of the old one, if that is still there. */
bool store_replace(struct store *s, struct entry *old, struct entry *e);
void store_remove(struct store *s, struct entry *e);
/** Drops all variants of a key; returns how many. */
unsigned store_drop(struct store *s, struct str key);
void store_clear(struct store *s);

struct store_stats {
	size_t bytes;
	size_t entries;
	uint64_t evictions;
	uint64_t stored;
};
struct store_stats store_stats(const struct store *s);

#endif
