/* Two tables keyed by strings: an arena-backed map for boot data, and a bounded LRU for what outsiders feed. */
#include "common/core/map.h"

#include <stdlib.h>

#include "common/core/id.h"

struct map_slot {
	struct str key;
	void *value;
	uint64_t hash;
};

void map_init(struct map *m, struct arena *a)
{
	*m = (struct map){ .arena = a };
}

static struct map_slot *find_slot(struct map_slot *slots, size_t cap, struct str key, uint64_t hash)
{
	for (size_t i = hash & (cap - 1);; i = (i + 1) & (cap - 1)) {
		struct map_slot *slot = &slots[i];
		if (!slot->key.p || (slot->hash == hash && str_eq(slot->key, key))) return slot;
	}
}

static bool grow(struct map *m)
{
	size_t cap = m->cap ? m->cap * 2 : 16;
	struct map_slot *slots = arena_array(m->arena, cap, sizeof *slots);
	if (!slots) return false;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].key.p) *find_slot(slots, cap, m->slots[i].key, m->slots[i].hash) = m->slots[i];
	m->slots = slots;
	m->cap = cap;
	return true;
}

bool map_set(struct map *m, struct str key, void *value)
{
	CHECK(key.p != NULL);
	if (m->count * 2 >= m->cap && !grow(m)) return false;
	uint64_t hash = id_hash(key);
	struct map_slot *slot = find_slot(m->slots, m->cap, key, hash);
	if (!slot->key.p) m->count++;
	*slot = (struct map_slot){ key, value, hash };
	return true;
}

void *map_get(const struct map *m, struct str key)
{
	if (m->count == 0 || !key.p) return NULL;
	struct map_slot *slot = find_slot(m->slots, m->cap, key, id_hash(key));
	return slot->key.p ? slot->value : NULL;
}

bool map_each(const struct map *m, size_t *at, struct map_entry *out)
{
	while (*at < m->cap) {
		const struct map_slot *slot = &m->slots[(*at)++];
		if (!slot->key.p) continue;
		*out = (struct map_entry){ slot->key, slot->value };
		return true;
	}
	return false;
}

struct lru_entry {
	struct lru_entry *chain;
	struct lru_entry *newer;
	struct lru_entry *older;
	uint64_t hash;
	size_t key_bytes;
	_Alignas(16) char data[]; /* value, then key */
};

void lru_init(struct lru *c, size_t count_max, size_t key_bytes_max, size_t value_bytes)
{
	CHECK(count_max > 0);
	size_t buckets = 16;
	while (buckets < count_max) buckets *= 2;
	*c = (struct lru){ .bucket_count = buckets,
		.count_max = count_max,
		.key_bytes_max = key_bytes_max,
		.value_bytes = (value_bytes + 15) & ~(size_t)15 };
	c->buckets = calloc(buckets, sizeof(struct lru_entry *));
	CHECK(c->buckets != NULL);
}

static void lru_unlink(struct lru *c, struct lru_entry *e)
{
	*(e->newer ? &e->newer->older : &c->newest) = e->older;
	*(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void lru_link_newest(struct lru *c, struct lru_entry *e)
{
	e->newer = NULL;
	e->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = e;
	c->newest = e;
}

static uint64_t lru_hash(const struct lru *c, struct str key)
{
	bool end_only = c->hash_bytes && key.n > c->hash_bytes;
	return id_hash(end_only ? str_from(key, key.n - c->hash_bytes) : key);
}

void lru_hash_end(struct lru *c, size_t bytes)
{
	CHECK(c->count == 0);
	c->hash_bytes = bytes;
}

static struct lru_entry **lru_find(struct lru *c, struct str key, uint64_t hash)
{
	struct lru_entry **at = &c->buckets[hash & (c->bucket_count - 1)];
	for (; *at; at = &(*at)->chain)
		if ((*at)->hash == hash && str_eq(str_span((*at)->data + c->value_bytes, (*at)->key_bytes), key)) break;
	return at;
}

static void lru_drop(struct lru *c, struct lru_entry **at)
{
	struct lru_entry *e = *at;
	*at = e->chain;
	lru_unlink(c, e);
	c->count--;
	explicit_bzero(e->data, c->value_bytes + e->key_bytes);
	free(e);
}

void *lru_get(struct lru *c, struct str key)
{
	struct lru_entry *e = *lru_find(c, key, lru_hash(c, key));
	if (!e) return NULL;
	if (c->newest != e) {
		lru_unlink(c, e);
		lru_link_newest(c, e);
	}
	return e->data;
}

void lru_remove(struct lru *c, struct str key)
{
	struct lru_entry **at = lru_find(c, key, lru_hash(c, key));
	if (*at) lru_drop(c, at);
}

void *lru_put(struct lru *c, struct str key)
{
	if (key.n > c->key_bytes_max) return NULL;
	void *present = lru_get(c, key);
	if (present) return present;
	while (c->count >= c->count_max) {
		struct lru_entry **at = &c->buckets[c->oldest->hash & (c->bucket_count - 1)];
		while (*at != c->oldest) at = &(*at)->chain;
		lru_drop(c, at);
	}
	struct lru_entry *e = calloc(1, sizeof *e + c->value_bytes + key.n);
	CHECK(e != NULL);
	e->hash = lru_hash(c, key);
	e->key_bytes = key.n;
	if (key.n) memcpy(e->data + c->value_bytes, key.p, key.n);
	e->chain = c->buckets[e->hash & (c->bucket_count - 1)];
	c->buckets[e->hash & (c->bucket_count - 1)] = e;
	lru_link_newest(c, e);
	c->count++;
	return e->data;
}

void lru_free(struct lru *c)
{
	while (c->oldest) {
		struct lru_entry **at = &c->buckets[c->oldest->hash & (c->bucket_count - 1)];
		while (*at != c->oldest) at = &(*at)->chain;
		lru_drop(c, at);
	}
	free(c->buckets);
	c->buckets = NULL;
}
