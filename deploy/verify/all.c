/* The whole log at once: every entry is hashed to the root and folded to the balances, in one pass with one bundle in memory.
 * The hashing and the folding of a bundle are two threads, which share nothing that either of them changes.
 * What a leaf or a balance says counts only once the root is known to be right, so faults of that kind wait until the end. */
#include "deploy/verify/files.h"
#include "deploy/verify/fold.h"

#include <pthread.h>
#include <stdio.h>

enum { PATH_BYTES = 4096 };
#define LEAVES_MAX ((uint64_t)1 << 27)
static const size_t leaf_arena_bytes = (size_t)4 << 20, balances_arena_bytes = (size_t)512 << 20;

struct audit {
	const char *dir;
	struct verdict *v;
	struct checkpoint now, seen; /* seen.size 0: none was given */
	const struct json *items; /* of the balances */
	uint64_t balances_size; /* the position they are of */
	struct merkle_tree tree;
	struct fold fold;
	struct verdict fault; /* the first one found in a leaf or a balance */
	bool has_fault;
	bool compared;
	uint64_t differs; /* the first leaf that is not the one in its tile, else the log's size */
	struct arena leaf_arena;
	struct buf bundle, hashes;
	unsigned width; /* entries of the bundle that count */
};

static bool read_balances(struct audit *a, struct arena *arena, struct str text)
{
	const struct json *root, *items, *size;
	int64_t number;
	if (json_read(arena, text, 8, &root, NULL) || json_type(root) != JSON_OBJECT)
		return verdict_no(a->v, "balances-form", "balances.json is not a JSON object");
	items = json_get(root, STR("items"));
	size = json_get(root, STR("log_size"));
	if (!items || json_type(items) != JSON_ARRAY)
		return verdict_no(a->v, "balances-form", "balances.json has no list \"items\"");
	if (!size || !leaf_read_integer(size, &number) || number < 0)
		return verdict_no(a->v, "balances-form", "balances.json has no whole number \"log_size\"");
	a->items = items;
	a->balances_size = (uint64_t)number;
	if (a->balances_size <= a->now.size) return true;
	return verdict_no(a->v, "balances-size", "the balances are of %llu leaves, the checkpoint is of %llu only",
	    (unsigned long long)a->balances_size, (unsigned long long)a->now.size);
}

static bool open_balances(struct audit *a, struct arena *arena)
{
	char path[PATH_BYTES];
	struct buf b;
	snprintf(path, sizeof path, "%s/balances.json", a->dir);
	buf_init(&b, BALANCES_BYTES_MAX);
	bool ok = file_read(&b, path, a->v) && read_balances(a, arena, b.n ? buf_view(&b) : STR(""));
	buf_free(&b);
	return ok;
}

static bool open_checkpoints(struct audit *a, struct arena *arena, const struct trust *t, const char *seen)
{
	char path[PATH_BYTES];
	snprintf(path, sizeof path, "%s/checkpoint", a->dir);
	if (!file_open_checkpoint(arena, t, path, &a->now, a->v)) return false;
	if (a->now.size > LEAVES_MAX)
		return verdict_cannot(a->v, "the log has more leaves than this program holds the ids of");
	if (!seen) return true;
	if (!file_open_checkpoint(arena, t, seen, &a->seen, a->v)) return false;
	if (a->seen.size <= a->now.size) return true;
	return verdict_no(a->v, "rolled-back", "the log had %llu leaves and now has %llu",
	    (unsigned long long)a->seen.size, (unsigned long long)a->now.size);
}

/* Whether this is the position that was seen before, and another log. */
static bool is_as_seen(struct audit *a)
{
	struct merkle_hash root;
	if (a->seen.size == 0 || a->tree.size != a->seen.size) return true;
	merkle_root(&a->tree, &root);
	if (merkle_equal(&root, &a->seen.root)) return true;
	return verdict_no(a->v, "fork", "the first %llu leaves are not those that the log signed before",
	    (unsigned long long)a->seen.size);
}

static void compare_balances(struct audit *a)
{
	if (a->has_fault || a->compared || a->fold.leaves != a->balances_size) return;
	a->has_fault = !fold_compare(&a->fold, a->items, &a->fault);
	a->compared = true;
}

static void fold_entry(struct audit *a, struct str entry)
{
	struct leaf l;
	const char *why;
	if (a->has_fault) return;
	arena_reset(&a->leaf_arena);
	if (leaf_read(&a->leaf_arena, entry, &l, &why)) {
		a->has_fault = !fold_add(&a->fold, &l, &a->fault);
		compare_balances(a);
		return;
	}
	verdict_no(&a->fault, "leaf-form", "leaf %llu: %s", (unsigned long long)a->fold.leaves, why);
	a->has_fault = true;
}

/* A thread's main: folds what is in the bundle. */
static void *fold_bundle(void *context)
{
	struct audit *a = context;
	struct str rest = buf_view(&a->bundle), entry;
	for (unsigned i = 0; i < a->width && bundle_next(&rest, &entry) == ERR_NONE; i++) fold_entry(a, entry);
	return NULL;
}

static bool add_entry(struct audit *a, struct str entry, unsigned place)
{
	struct merkle_hash hash;
	merkle_leaf(entry, &hash);
	bool known = a->hashes.n >= (size_t)(place + 1) * SHA256_BYTES;
	if (known && a->differs == a->now.size &&
	    memcmp(a->hashes.p + (size_t)place * SHA256_BYTES, hash.bytes, SHA256_BYTES))
		a->differs = a->tree.size;
	if (merkle_append(&a->tree, &hash)) return verdict_cannot(a->v, "the log is too large");
	return is_as_seen(a);
}

static bool hash_bundle(struct audit *a, const struct tile *t, bool full)
{
	struct str rest = buf_view(&a->bundle), entry;
	for (unsigned i = 0; i < t->width; i++) {
		if (bundle_next(&rest, &entry))
			return verdict_no(a->v, "entries", "entry %llu of %llu is missing or cut short",
			    (unsigned long long)a->tree.size, (unsigned long long)a->now.size);
		if (!add_entry(a, entry, i)) return false;
	}
	if (rest.n == 0 || (full && t->width < TILE_WIDTH)) return true; /* a later state of the log may be longer */
	return verdict_no(
	    a->v, "entries", "there is more than there should be behind entry %llu", (unsigned long long)a->tree.size);
}

static bool add_bundle(struct audit *a, const struct tile *t)
{
	struct tile beside = { 0, t->index, t->width };
	pthread_t folder;
	bool full;
	buf_reset(&a->hashes);
	if (file_has_tile(a->dir, &beside) && !file_read_tile(&a->hashes, a->dir, &beside, &full, a->v)) return false;
	if (!file_read_tile(&a->bundle, a->dir, t, &full, a->v)) return false;
	a->width = t->width;
	bool threaded = pthread_create(&folder, NULL, fold_bundle, a) == 0;
	if (!threaded) fold_bundle(a);
	bool ok = hash_bundle(a, t, full);
	if (threaded) pthread_join(folder, NULL);
	return ok;
}

static bool finish(struct audit *a)
{
	struct merkle_hash root;
	merkle_root(&a->tree, &root);
	if (!merkle_equal(&root, &a->now.root)) {
		if (a->differs == a->now.size)
			return verdict_no(a->v, "root", "the entries do not make the root that was signed");
		return verdict_no(a->v, "root",
		    "the entries do not make the root that was signed; the first wrong one is %llu",
		    (unsigned long long)a->differs);
	}
	if (a->differs != a->now.size)
		return verdict_no(
		    a->v, "tile", "the tile of entry %llu holds another hash", (unsigned long long)a->differs);
	if (!a->has_fault)
		return verdict_yes(a->v,
		    "%llu leaves make the signed root, and every balance at position %llu is their sum",
		    (unsigned long long)a->now.size, (unsigned long long)a->balances_size);
	*a->v = a->fault;
	return false;
}

static bool run(struct audit *a, struct arena *arena, const struct trust *t, const char *seen)
{
	struct tile tile;
	if (!open_checkpoints(a, arena, t, seen) || !open_balances(a, arena)) return false;
	a->differs = a->now.size;
	compare_balances(a);
	for (uint64_t i = 0; tile_at(TILE_ENTRIES, i, a->now.size, &tile); i++)
		if (!add_bundle(a, &tile)) return false;
	return finish(a);
}

bool verify_all(const struct trust *t, const char *dir, const char *seen, struct verdict *v)
{
	struct audit a = { .dir = dir, .v = v };
	struct arena arena;
	arena_init(&arena, 64 << 10, balances_arena_bytes);
	arena_init(&a.leaf_arena, 64 << 10, leaf_arena_bytes);
	buf_init(&a.bundle, BUNDLE_BYTES_MAX);
	buf_init(&a.hashes, TILE_BYTES);
	fold_init(&a.fold);
	bool ok = run(&a, &arena, t, seen);
	fold_free(&a.fold);
	buf_free(&a.hashes);
	buf_free(&a.bundle);
	arena_release(&a.leaf_arena);
	arena_release(&arena);
	return ok;
}
