#ifndef COMMON_CORE_MAP_H
#define COMMON_CORE_MAP_H

#include "common/core/arena.h"

struct map_slot;

/** Hash table from str to pointer; keys are borrowed, slots come from the arena. Only grows: for boot-time tables. */
struct map {
	struct arena *arena;
	struct map_slot *slots;
	size_t count;
	size_t cap; /* power of two */
};

void map_init(struct map *m, struct arena *a);
/** Adds or replaces; false only when the arena is full. */
bool map_set(struct map *m, struct str key, void *value);
/** NULL when absent. */
void *map_get(const struct map *m, struct str key);

struct map_entry {
	struct str key;
	void *value;
};
/** Walks the table: start with *at = 0, go on while it returns true. */
bool map_each(const struct map *m, size_t *at, struct map_entry *out);

struct lru_entry;

/**
 * Bounded cache from str to a fixed-size value, both copied in; the least recently used goes first.
 * `value_bytes` per entry are stored inline. Bytes dropped are wiped, since tokens live here.
 */
struct lru {
	struct lru_entry **buckets;
	struct lru_entry *newest;
	struct lru_entry *oldest;
	size_t bucket_count;
	size_t count;
	size_t count_max;
	size_t key_bytes_max;
	size_t value_bytes;
	size_t hash_bytes; /* of a key's end, which its hash is made of; 0: all */
};

void lru_init(struct lru *c, size_t count_max, size_t key_bytes_max, size_t value_bytes);
/** For long keys that are only put once their end is known to be right (a signature, a MAC): the hash looks at no more than that. */
void lru_hash_end(struct lru *c, size_t bytes);
void lru_free(struct lru *c);
/** The value of `key`, made the newest; NULL when absent. Valid until the next call that adds or removes. */
void *lru_get(struct lru *c, struct str key);
/** Zeroed (or present) value for `key`, evicting if full; NULL when the key is too long. */
void *lru_put(struct lru *c, struct str key);
void lru_remove(struct lru *c, struct str key);

#endif
