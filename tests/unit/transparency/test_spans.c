/* The right edge of the tree: whatever is appended in whatever slices, roots, nodes and proofs are those of the whole tree. */
#include "services/transparency/transparency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/core/id.h"

enum { LEAVES = 70000, LEVELS = 3 };

static struct arena arena;
static struct merkle_hash leaves[LEAVES], nodes[LEVELS][LEAVES]; /* by level of tiles: those that are stored */
static unsigned node_count[LEVELS];

static void leaf_of(unsigned n, struct merkle_hash *out)
{
	char text[24];
	int bytes = snprintf(text, sizeof text, "leaf %u", n);
	merkle_leaf(str_span(text, (size_t)bytes), out);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20, 64 << 20);
	for (unsigned i = 0; i < LEAVES; i++) leaf_of(i, &leaves[i]);
	return 0;
}

/* The partial tile of each level, as the database gives it. */
static void fill(struct spans *s)
{
	for (unsigned l = 0; l < LEVELS; l++) {
		const struct span *at = &s->level[l];
		unsigned count = (unsigned)((s->size >> (TILE_HEIGHT * l)) - at->first);
		char *hex = arena_alloc(&arena, (size_t)count * 2 * SHA256_BYTES + 1);
		if (!count) continue;
		const struct merkle_hash *from = l ? &nodes[l][at->first] : &leaves[at->first];
		id_hex(from, (size_t)count * SHA256_BYTES, hex);
		assert_true(spans_fill(s, l, str_span(hex, (size_t)count * 2 * SHA256_BYTES)));
	}
}

/* Appends up to `size`; new nodes are stored. */
static void grow(uint64_t from, uint64_t size)
{
	struct spans s;
	struct merkle_hash old_root, root, whole;
	struct merkle_proof proof;
	struct merkle_tree tree = { .size = 0 };
	assert_int_equal(spans_init(&s, &arena, from, (unsigned)(size - from)), ERR_NONE);
	fill(&s);
	assert_int_equal(merkle_root_at(spans_read, &s, from, &old_root), ERR_NONE);
	for (uint64_t i = from; i < size; i++) spans_append(&s, &leaves[i]);
	assert_int_equal(merkle_root_at(spans_read, &s, size, &root), ERR_NONE);
	for (uint64_t i = 0; i < size; i++) assert_int_equal(merkle_append(&tree, &leaves[i]), ERR_NONE);
	merkle_root(&tree, &whole);
	assert_true(merkle_equal(&whole, &root));
	assert_int_equal(merkle_prove_consistency(spans_read, &s, from, size, &proof), ERR_NONE);
	assert_true(merkle_extends(&proof, from, &old_root, size, &root));
	for (unsigned l = 1; l < LEVELS; l++) {
		const struct span *at = &s.level[l];
		assert_int_equal(at->first + at->count, size >> (TILE_HEIGHT * l));
		for (; node_count[l] < at->first + at->count; node_count[l]++)
			memcpy(&nodes[l][node_count[l]], at->bytes + (node_count[l] - at->first) * SHA256_BYTES,
			    SHA256_BYTES);
	}
	arena_reset(&arena);
}

static void grows_in_any_slices(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, 2, 255, 256, 257, 300, 511, 512, 513, 1000, 3048, 5096, 20000, 65535,
		65536, 65537, 66000, 70000 };
	uint64_t from = 0;
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		grow(from, sizes[i]);
		from = sizes[i];
	}
}

static void refuses_what_is_not_there(void **state)
{
	(void)state;
	struct spans s;
	struct merkle_hash hash;
	assert_int_equal(spans_init(&s, &arena, 300, 0), ERR_NONE);
	assert_false(spans_fill(&s, 0, STR("00")));
	assert_false(spans_fill(&s, 8, STR("")));
	assert_int_equal(merkle_root_at(spans_read, &s, 300, &hash), ERR_NOT_FOUND);
	assert_int_equal(spans_read(&s, 0, 10, &hash), ERR_NOT_FOUND); /* left of the edge */
	assert_int_equal(spans_read(&s, 64, 0, &hash), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(grows_in_any_slices),
		cmocka_unit_test(refuses_what_is_not_there) };
	return cmocka_run_group_tests(tests, setup, NULL);
}
