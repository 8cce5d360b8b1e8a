/* Whether one checkpoint's log is the beginning of the other's, from the hash tiles alone: no entry is read. The tiles are not
 * trusted; they make a proof, which must lead to both signed roots. */
#include "deploy/verify/files.h"

struct tiles {
	const char *dir;
	uint64_t size;
	struct verdict *v;
	struct buf bytes;
};

static enum err read_node(void *context, unsigned level, uint64_t index, struct merkle_hash *out)
{
	struct tiles *f = context;
	struct tile t;
	unsigned first, count;
	bool full;
	CHECK(tile_of_node(level, index, f->size, &t, &first, &count));
	if (!file_read_tile(&f->bytes, f->dir, &t, &full, f->v)) return ERR_IO;
	if (f->bytes.n < (size_t)t.width * SHA256_BYTES || f->bytes.n % SHA256_BYTES) {
		char name[TILE_PATH_BYTES];
		tile_path(&t, name);
		verdict_no(f->v, "tile", "%s is not as long as it should be", name);
		return ERR_SYNTAX;
	}
	tile_fold(buf_view(&f->bytes), first, count, out);
	return ERR_NONE;
}

static bool compare(struct tiles *f, const struct checkpoint *old, const struct checkpoint *now)
{
	struct merkle_hash root;
	struct merkle_proof proof;
	if (old->size > now->size)
		return verdict_no(f->v, "rolled-back", "the log had %llu leaves and now has %llu",
		    (unsigned long long)old->size, (unsigned long long)now->size);
	if (old->size == now->size && !merkle_equal(&old->root, &now->root))
		return verdict_no(
		    f->v, "fork", "two different logs of %llu leaves are signed", (unsigned long long)now->size);
	if (old->size == now->size)
		return verdict_yes(f->v, "both checkpoints are of the same %llu leaves", (unsigned long long)now->size);
	if (merkle_root_at(read_node, f, now->size, &root)) return false;
	if (!merkle_equal(&root, &now->root))
		return verdict_no(f->v, "tile", "the tiles do not make the root of the newer checkpoint");
	if (merkle_prove_consistency(read_node, f, old->size, now->size, &proof)) return false;
	if (!merkle_extends(&proof, old->size, &old->root, now->size, &now->root))
		return verdict_no(f->v, "fork",
		    "the first %llu of the %llu leaves are not those that were signed before",
		    (unsigned long long)old->size, (unsigned long long)now->size);
	return verdict_yes(f->v, "the %llu leaves signed before are the first of the %llu signed now",
	    (unsigned long long)old->size, (unsigned long long)now->size);
}

bool verify_consistency(
    const struct trust *t, const char *old_file, const char *new_file, const char *dir, struct verdict *v)
{
	struct arena a;
	struct checkpoint old, now;
	struct tiles f = { .dir = dir, .v = v };
	arena_init(&a, 64 << 10, 4 << 20);
	buf_init(&f.bytes, TILE_BYTES);
	bool ok = file_open_checkpoint(&a, t, old_file, &old, v) && file_open_checkpoint(&a, t, new_file, &now, v);
	f.size = ok ? now.size : 0;
	ok = ok && compare(&f, &old, &now);
	buf_free(&f.bytes);
	arena_release(&a);
	return ok;
}
