/* The tree in memory: whatever size the log has and in whatever order tiles come and go, a proof is the whole tree's or none. */
#include "services/transparency/transparency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/core/id.h"

enum { LEAVES = 66600, LEVELS = 3, NODE_BYTES = sizeof(struct tile_nodes) };

static struct arena arena;
static struct note_key key, other_key;
static struct merkle_hash hashes[LEVELS][LEAVES];
static struct table table;

static struct key *key_made(void)
{
	struct key *k = NULL;
	assert_int_equal(key_generate(ALG_EDDSA, &k), ERR_NONE);
	return k;
}

static void grow_from(unsigned first, unsigned salt)
{
	for (unsigned i = first; i < LEAVES; i++) {
		unsigned leaf[] = { salt, i };
		merkle_leaf(str_span((const char *)leaf, sizeof leaf), &hashes[0][i]);
	}
	for (unsigned l = 1; l < LEVELS; l++)
		for (unsigned i = 0; i < (unsigned)LEAVES >> 8 * l; i++)
			tile_fold(str_span((const char *)&hashes[l - 1][i * TILE_WIDTH], TILE_BYTES), 0, TILE_WIDTH,
			    &hashes[l][i]);
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20, 64 << 20);
	assert_int_equal(note_key_init(&key, STR("log.example"), NOTE_ED25519, key_made()), ERR_NONE);
	assert_int_equal(note_key_init(&other_key, STR("log.example"), NOTE_ED25519, key_made()), ERR_NONE);
	grow_from(0, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	key_free(key.key);
	key_free(other_key.key);
	arena_release(&arena);
	return 0;
}

/* The tile as the database gives it for a log of this size. */
static bool put(unsigned level, uint64_t tile, uint64_t size)
{
	uint64_t end = size >> 8 * level, first = tile * TILE_WIDTH;
	if (first >= end) return true;
	size_t bytes = (size_t)(end - first < TILE_WIDTH ? end - first : TILE_WIDTH) * SHA256_BYTES;
	char hex[2 * TILE_BYTES];
	id_hex(&hashes[level][first], bytes, hex);
	return table_put(&table, level, tile, str_span(hex, 2 * bytes));
}

static struct str mark_of(uint64_t size)
{
	return arena_printf(&arena, "%llu", (unsigned long long)size);
}

static struct str note_of(uint64_t size, const struct note_key *k)
{
	struct merkle_tree tree = { .size = 0 };
	struct checkpoint c = { .origin = k->name, .size = size };
	struct buf text, line;
	for (uint64_t i = 0; i < size; i++) assert_int_equal(merkle_append(&tree, &hashes[0][i]), ERR_NONE);
	merkle_root(&tree, &c.root);
	buf_init(&text, NOTE_BYTES_MAX);
	buf_init(&line, NOTE_BYTES_MAX);
	assert_int_equal(checkpoint_write(&text, &c), ERR_NONE);
	assert_int_equal(note_sign(&line, buf_view(&text), k, 0), ERR_NONE);
	buf_char(&text, '\n');
	buf_str(&text, buf_view(&line));
	struct str out = arena_str(&arena, buf_view(&text));
	buf_free(&text);
	buf_free(&line);
	return out;
}

static enum err put_edge(uint64_t size, const struct note_key *k)
{
	for (unsigned l = 0; l < LEVELS; l++)
		if (size >> 8 * l & 255) assert_true(put(l, size >> (8 * l + 8), size));
	return table_put_edge(&table, &arena, mark_of(size), size, note_of(size, k));
}

/* As proofs are made: what is missing is put, of this size. */
static enum err read_or_put(void *size, unsigned level, uint64_t index, struct merkle_hash *out)
{
	const struct merkle_hash *node = table_node(&table, level, index);
	if (!node) {
		assert_true(put(level / TILE_HEIGHT, (index << level % TILE_HEIGHT) / TILE_WIDTH, *(uint64_t *)size));
		node = table_node(&table, level, index);
	}
	assert_non_null(node);
	*out = *node;
	return ERR_NONE;
}

static bool proves(const struct edge *e, uint64_t index)
{
	struct merkle_proof p;
	uint64_t size = e->tree.size;
	assert_int_equal(merkle_edge_prove(&e->tree, read_or_put, &size, index, &p), ERR_NONE);
	return merkle_includes(&p, index, &hashes[0][index], size, &e->tree.root);
}

static void grows_over_tile_borders(void **state)
{
	static const uint64_t sizes[] = { 1, 2, 255, 256, 257, 511, 512, 513, 1024, 5000, 65535, 65536, 65537, 66047,
		66048, LEAVES };
	(void)state;
	table_init(&table, &key, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		assert_int_equal(put_edge(sizes[i], &key), ERR_NONE);
		const struct edge *e = table_edge(&table, mark_of(sizes[i]));
		assert_non_null(e);
		for (uint64_t at = 0; at < sizes[i]; at += 1 + sizes[i] / 300) assert_true(proves(e, at));
		assert_true(proves(e, sizes[i] - 1));
		/* A request that began before still has its own checkpoint, and wider tiles than that knew. */
		const struct edge *before = i ? table_edge(&table, mark_of(sizes[i - 1])) : NULL;
		if (before) assert_true(proves(before, before->tree.size - 1));
	}
	assert_null(table_edge(&table, mark_of(1))); /* the oldest is gone */
	table_free(&table);
}

static void stays_within_its_bytes(void **state)
{
	(void)state;
	table_init(&table, &key, 20 * NODE_BYTES);
	assert_int_equal(put_edge(LEAVES, &key), ERR_NONE);
	const struct edge *e = table_edge(&table, mark_of(LEAVES));
	for (uint64_t at = 0; at < LEAVES; at += 200) {
		assert_true(proves(e, at));
		assert_true(table.tiles.count <= 20);
	}
	assert_int_equal(table.tiles.count, 20);
	table_forget(&table);
	assert_int_equal(table.tiles.count, 0);
	assert_null(table_edge(&table, mark_of(LEAVES)));
	table_free(&table);
}

/* The database was restored: the tree is smaller, then grows with other leaves. Old tiles prove nothing in it, and are not needed again. */
static void a_restored_tree_is_read_anew(void **state)
{
	(void)state;
	table_init(&table, &key, 8 << 20);
	assert_int_equal(put_edge(5000, &key), ERR_NONE);
	for (uint64_t at = 0; at < 5000; at += 100) assert_true(proves(table_edge(&table, mark_of(5000)), at));
	assert_int_equal(put_edge(3000, &key), ERR_NONE); /* what is left is the beginning of what there was */
	assert_true(proves(table_edge(&table, mark_of(3000)), 2999));
	grow_from(3000, 1);
	assert_int_equal(put_edge(4100, &key), ERR_NONE);
	assert_false(proves(table_edge(&table, mark_of(4100)), 3500)); /* by the full tile of before */
	table_forget(&table);
	assert_int_equal(put_edge(4100, &key), ERR_NONE);
	for (uint64_t at = 0; at < 4100; at += 50) assert_true(proves(table_edge(&table, mark_of(4100)), at));
	table_free(&table);
	grow_from(3000, 0);
}

static void takes_no_checkpoint_but_the_logs(void **state)
{
	(void)state;
	table_init(&table, &key, 1 << 20);
	assert_int_equal(table_put_edge(&table, &arena, STR("x"), 300, note_of(300, &key)), ERR_NOT_FOUND);
	assert_int_equal(put_edge(300, &other_key), ERR_CRYPTO);
	assert_int_equal(table_put_edge(&table, &arena, STR("x"), 300, note_of(299, &key)), ERR_CRYPTO);
	assert_int_equal(table_put_edge(&table, &arena, STR("x"), 300, STR("300\n")), ERR_CRYPTO);
	assert_null(table_edge(&table, STR("x")));
	assert_null(table_edge(&table, mark_of(300)));
	assert_false(table_put(&table, 8, 0, STR("00")));
	assert_false(table_put(&table, 0, UINT64_MAX, STR("00")));
	assert_false(table_put(&table, 0, 0, STR_NONE));
	assert_false(table_put(&table, 0, 0, STR("0011")));
	assert_int_equal(put_edge(300, &key), ERR_NONE);
	assert_true(str_starts(table_edge(&table, mark_of(300))->note, STR("\"log.example\\n300\\n")));
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(grows_over_tile_borders),
		cmocka_unit_test(stays_within_its_bytes), cmocka_unit_test(a_restored_tree_is_read_anew),
		cmocka_unit_test(takes_no_checkpoint_but_the_logs) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
