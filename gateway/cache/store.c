/*
 * S3-FIFO by bytes: a small queue for newcomers (a tenth), the main queue, and a table of ghosts, which remembers only the hashes of
 * what left the small queue unused. A hit only raises a counter; order changes when room is needed. No locks: one loop, one store.
 */
#include "gateway/cache/store.h"

#include <stdlib.h>

#include "common/core/id.h"

enum {
	USES_MAX = 3,
	SMALL_PART = 10,
	ENTRY_PART = 16,
	BUCKET_BYTES = 1024, /* the table is made for entries of this size */
	BUCKETS_LEAST = 1024,
	GHOSTS_LEAST = 1024,
	COST_OF_HEAP = 64, /* what malloc takes for an entry's two blocks, roughly */
};

struct store {
	struct entry **buckets;
	size_t bucket_count; /* a power of two */
	uint64_t *ghosts; /* by hash; a newer one takes the place of an older */
	size_t ghost_count; /* a power of two */
	struct list small;
	struct list main;
	size_t small_bytes;
	size_t bytes_max;
	size_t entry_bytes_max;
	struct store_stats stats;
};

static size_t power_of_two(size_t n, size_t least)
{
	size_t p = least;
	while (p < n) p *= 2;
	return p;
}

struct store *store_new(size_t bytes_max, size_t entry_bytes_max)
{
	struct store *s = calloc(1, sizeof *s);
	CHECK(s != NULL);
	s->bytes_max = bytes_max;
	s->entry_bytes_max = entry_bytes_max ? entry_bytes_max : bytes_max / ENTRY_PART;
	s->bucket_count = power_of_two(bytes_max / BUCKET_BYTES, BUCKETS_LEAST);
	s->ghost_count = power_of_two(bytes_max / BUCKET_BYTES, GHOSTS_LEAST);
	s->buckets = calloc(s->bucket_count, sizeof(struct entry *));
	s->ghosts = calloc(s->ghost_count, sizeof *s->ghosts);
	CHECK(s->buckets != NULL && s->ghosts != NULL);
	list_init(&s->small);
	list_init(&s->main);
	return s;
}

static struct entry **bucket_of(const struct store *s, uint64_t hash)
{
	return &s->buckets[hash & (s->bucket_count - 1)];
}

static size_t cost(const struct entry *e)
{
	return e->bytes + COST_OF_HEAP;
}

/* ── queues ── */

static void enqueue(struct store *s, struct entry *e, bool main)
{
	e->place.is_main = main;
	list_push(main ? &s->main : &s->small, &e->place.queue);
	if (!main) s->small_bytes += cost(e);
}

static void dequeue(struct store *s, struct entry *e)
{
	list_remove(&e->place.queue);
	if (!e->place.is_main) s->small_bytes -= cost(e);
}

void store_remove(struct store *s, struct entry *e)
{
	struct entry **at = bucket_of(s, e->hash);
	if (!e->place.stored) return;
	while (*at != e) at = &(*at)->place.next;
	*at = e->place.next;
	dequeue(s, e);
	e->place.stored = false;
	s->stats.bytes -= cost(e);
	s->stats.entries--;
	entry_release(e);
}

static uint64_t *ghost_of(const struct store *s, uint64_t hash)
{
	return &s->ghosts[hash >> 8 & (s->ghost_count - 1)];
}

static void evict(struct store *s, struct entry *e)
{
	if (!e->place.is_main) *ghost_of(s, e->hash) = e->hash;
	s->stats.evictions++;
	store_remove(s, e);
}

/* The oldest newcomer: it has earned the main queue, or goes. */
static void sift_small(struct store *s)
{
	struct entry *e = CONTAINER_OF(list_first(&s->small), struct entry, place.queue);
	if (!e->place.uses) {
		evict(s, e);
		return;
	}
	dequeue(s, e);
	e->place.uses = 0;
	enqueue(s, e, true);
}

/* The oldest of the main queue: used since, it goes round once more. */
static void sift_main(struct store *s)
{
	struct entry *e = CONTAINER_OF(list_first(&s->main), struct entry, place.queue);
	if (!e->place.uses) {
		evict(s, e);
		return;
	}
	e->place.uses--;
	dequeue(s, e);
	enqueue(s, e, true);
}

static void make_room(struct store *s, size_t bytes)
{
	while (s->stats.bytes + bytes > s->bytes_max && s->stats.entries) {
		bool small = s->small_bytes > s->bytes_max / SMALL_PART || list_empty(&s->main);
		if (small && !list_empty(&s->small))
			sift_small(s);
		else
			sift_main(s);
	}
}

/* ── look-up ── */

struct entry *store_next(const struct store *s, uint64_t hash, struct str key, struct entry *before)
{
	struct entry *e = before ? before->place.next : *bucket_of(s, hash);
	while (e && (e->hash != hash || !str_eq(e->key, key))) e = e->place.next;
	return e;
}

struct entry *store_find(struct store *s, uint64_t hash, struct str key, struct http_fields asked)
{
	for (struct entry *e = store_next(s, hash, key, NULL); e; e = store_next(s, hash, key, e)) {
		if (!entry_selects(e, asked)) continue;
		if (e->place.uses < USES_MAX) e->place.uses++;
		return e;
	}
	return NULL;
}

/* ── changes ── */

static void insert(struct store *s, struct entry *e, unsigned char uses, bool main)
{
	struct entry **at = bucket_of(s, e->hash);
	(void)entry_share(e);
	e->place.next = *at;
	*at = e;
	e->place.stored = true;
	e->place.uses = uses;
	enqueue(s, e, main);
	s->stats.bytes += cost(e);
	s->stats.entries++;
	s->stats.stored++;
}

/* Variants that the new one replaces, and the oldest when there are too many. */
static void make_way(struct store *s, const struct entry *e, struct http_fields asked)
{
	unsigned kept = 0;
	for (struct entry *old = store_next(s, e->hash, e->key, NULL), *next; old; old = next) {
		next = store_next(s, e->hash, e->key, old);
		if (entry_selects(old, asked) || ++kept >= STORE_VARIANTS_MAX) store_remove(s, old);
	}
}

bool store_put(struct store *s, struct entry *e, struct http_fields asked)
{
	if (e->place.stored) return true;
	make_way(s, e, asked);
	if (cost(e) > s->entry_bytes_max) return false;
	uint64_t *ghost = ghost_of(s, e->hash);
	bool known = *ghost == e->hash;
	if (known) *ghost = 0;
	make_room(s, cost(e));
	insert(s, e, 0, known);
	return true;
}

bool store_replace(struct store *s, struct entry *old, struct entry *e)
{
	if (!old->place.stored || e->place.stored) return false;
	unsigned char uses = old->place.uses;
	bool main = old->place.is_main;
	store_remove(s, old);
	if (cost(e) > s->entry_bytes_max) return false;
	make_room(s, cost(e));
	insert(s, e, uses, main);
	return true;
}

unsigned store_drop(struct store *s, struct str key)
{
	unsigned count = 0;
	uint64_t hash = id_hash(key);
	for (struct entry *e; (e = store_next(s, hash, key, NULL)); count++) store_remove(s, e);
	return count;
}

void store_clear(struct store *s)
{
	for (struct list *i; (i = list_first(&s->small));) store_remove(s, CONTAINER_OF(i, struct entry, place.queue));
	for (struct list *i; (i = list_first(&s->main));) store_remove(s, CONTAINER_OF(i, struct entry, place.queue));
}

void store_free(struct store *s)
{
	if (!s) return;
	store_clear(s);
	free(s->buckets);
	free(s->ghosts);
	free(s);
}

struct store_stats store_stats(const struct store *s)
{
	return s->stats;
}
