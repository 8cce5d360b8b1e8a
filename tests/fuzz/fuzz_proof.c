/* Proofs of any shape and tile paths: verification ends, and what it accepts is what the prover makes; a path has one spelling. */
/* links: crypto */
#include "common/crypto/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A tree whose every leaf is the same. */
static enum err read_node(void *context, unsigned level, uint64_t index, struct merkle_hash *out)
{
	static struct merkle_hash level_hash[MERKLE_LEVELS];
	static bool made;
	(void)context, (void)index;
	if (!made) {
		merkle_leaf(STR("x"), &level_hash[0]);
		for (unsigned i = 1; i < MERKLE_LEVELS; i++)
			merkle_node(&level_hash[i - 1], &level_hash[i - 1], &level_hash[i]);
		made = true;
	}
	CHECK(level < MERKLE_LEVELS);
	*out = level_hash[level];
	return ERR_NONE;
}

static uint64_t number(struct str *in)
{
	uint64_t v = 0;
	size_t n = in->n < sizeof v ? in->n : sizeof v;
	if (n) memcpy(&v, in->p, n);
	*in = str_from(*in, n);
	return v;
}

static bool same(const struct merkle_proof *a, const struct merkle_proof *b)
{
	return a->count == b->count && memcmp(a->item, b->item, a->count * sizeof a->item[0]) == 0;
}

/* The right proof with the bytes of the input put over it. */
static void try_proofs(struct str in)
{
	uint64_t size = number(&in) & MERKLE_SIZE_MAX, index = number(&in), old_size = number(&in);
	struct merkle_hash leaf, root, old_root;
	struct merkle_proof right, given;
	if (size == 0) return;
	index %= size;
	old_size = old_size % size + 1;
	CHECK(read_node(NULL, 0, 0, &leaf) == ERR_NONE && merkle_root_at(read_node, NULL, size, &root) == ERR_NONE);
	CHECK(merkle_root_at(read_node, NULL, old_size, &old_root) == ERR_NONE);
	size_t n = in.n < sizeof given.item ? in.n : sizeof given.item;
	CHECK(merkle_prove_inclusion(read_node, NULL, index, size, &right) == ERR_NONE);
	CHECK(merkle_includes(&right, index, &leaf, size, &root));
	given = right;
	if (n) memcpy(given.item, in.p, n);
	CHECK(merkle_includes(&given, index, &leaf, size, &root) == same(&given, &right));
	CHECK(merkle_prove_consistency(read_node, NULL, old_size, size, &right) == ERR_NONE);
	CHECK(merkle_extends(&right, old_size, &old_root, size, &root));
	given = right;
	if (n) memcpy(given.item, in.p, n);
	given.count = n / SHA256_BYTES < MERKLE_PROOF_MAX ? (unsigned)(n / SHA256_BYTES) : MERKLE_PROOF_MAX;
	bool accepted = merkle_extends(&given, old_size, &old_root, size, &root);
	CHECK(accepted == same(&given, &right));
}

static void try_path(struct str in)
{
	struct tile t;
	char path[TILE_PATH_BYTES];
	if (tile_read_path(in, &t)) return;
	CHECK(tile_path(&t, path) == in.n && memcmp(path, in.p, in.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_span((const char *)data, size), rest = in, entry;
	try_path(in);
	try_proofs(in);
	while (rest.n && bundle_next(&rest, &entry) == ERR_NONE) CHECK(entry.n <= ENTRY_BYTES_MAX && entry.n < in.n);
	return 0;
}
