/* Tiles: which a size has, their names, and nodes found in them. */
#include "common/crypto/tile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_counts(void **state)
{
	struct tile t;
	(void)state;
	assert_int_equal(tile_count(0, 0), 0);
	assert_int_equal(tile_count(0, 1), 1);
	assert_int_equal(tile_count(0, 256), 1);
	assert_int_equal(tile_count(0, 257), 2);
	assert_int_equal(tile_count(TILE_ENTRIES, 257), 2);
	assert_int_equal(tile_count(1, 255), 0);
	assert_int_equal(tile_count(1, 256), 1);
	assert_int_equal(tile_count(2, 70000), 1);
	assert_int_equal(tile_count(7, MERKLE_SIZE_MAX), 1);
	/* The example of C2SP tlog-tiles: a tree of 70,000 leaves. */
	assert_true(tile_at(0, 272, 70000, &t) && t.width == 256);
	assert_true(tile_at(0, 273, 70000, &t) && t.width == 112);
	assert_false(tile_at(0, 274, 70000, &t));
	assert_true(tile_at(1, 0, 70000, &t) && t.width == 256);
	assert_true(tile_at(1, 1, 70000, &t) && t.width == 17);
	assert_true(tile_at(2, 0, 70000, &t) && t.width == 1);
	assert_false(tile_at(3, 0, 70000, &t));
	assert_false(tile_at(0, 0, UINT64_MAX, &t));
}

static void test_paths(void **state)
{
	static const struct {
		struct tile tile;
		const char *path;
	} rows[] = {
		{ { 0, 0, 256 }, "tile/0/000" },
		{ { 0, 273, 112 }, "tile/0/273.p/112" },
		{ { 1, 1, 17 }, "tile/1/001.p/17" },
		{ { 2, 0, 1 }, "tile/2/000.p/1" },
		{ { TILE_ENTRIES, 999, 256 }, "tile/entries/999" },
		{ { TILE_ENTRIES, 1000, 255 }, "tile/entries/x001/000.p/255" },
		{ { 0, 1234067, 256 }, "tile/0/x001/x234/067" },
		{ { 0, MERKLE_SIZE_MAX / 256, 255 }, "tile/0/x036/x028/x797/x018/x963/967.p/255" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char path[TILE_PATH_BYTES];
		struct tile t;
		assert_int_equal(tile_path(&rows[i].tile, path), strlen(rows[i].path));
		assert_string_equal(path, rows[i].path);
		assert_int_equal(tile_read_path(str_of(path), &t), ERR_NONE);
		assert_memory_equal(&t, &rows[i].tile, sizeof t);
	}
}

static void test_bad_paths(void **state)
{
	static const char *const rows[] = { "", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/00", "tile/0/0000",
		"tile/00/000", "tile/8/000", "tile/-1/000", "tile/0/x000", "tile/0/x000/001", "tile/0/001/002",
		"tile/0/x001/x002", "tile/0/x001/", "tile/0/X001/002", "tile/0/000.p/0", "tile/0/000.p/256",
		"tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/000/", "tile/0/000.p/1/", "tile/0/000.q/1",
		"tile/entries", "tile/entries/../000", "tile/data/000", "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
		"tile/0/x036/x028/x797/x018/x963/968", "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/0 0" };
	struct tile t;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (tile_read_path(str_of(rows[i]), &t) != ERR_SYNTAX) fail_msg("%s was read", rows[i]);
}

/* Tiles of three levels in memory, made from a growing tree by their definition. */
enum { LOG_SIZE = 70000 };
static struct merkle_hash *level_hashes[3];

static enum err read_node(void *context, unsigned level, uint64_t index, struct merkle_hash *out)
{
	const uint64_t *size = context;
	struct tile t;
	unsigned first, count;
	assert_true(tile_of_node(level, index, *size, &t, &first, &count));
	assert_true(first + count <= t.width);
	const char *row = (const char *)(level_hashes[t.level] + t.index * TILE_WIDTH);
	tile_fold(str_span(row, t.width * sizeof(struct merkle_hash)), first, count, out);
	return ERR_NONE;
}

static void test_nodes(void **state)
{
	static const uint64_t sizes[] = { 1, 2, 255, 256, 257, 511, 65535, 65536, 65537, 69999, LOG_SIZE };
	struct merkle_tree t = { 0 };
	struct merkle_hash root, read, roots[ARRAY_LEN(sizes)];
	size_t next = 0;
	(void)state;
	for (unsigned l = 0; l < 3; l++) level_hashes[l] = calloc(LOG_SIZE >> 8 * l, sizeof(struct merkle_hash));
	for (unsigned i = 0; i < LOG_SIZE; i++) {
		merkle_leaf(str_span((const char *)&i, sizeof i), &level_hashes[0][i]);
		assert_int_equal(merkle_append(&t, &level_hashes[0][i]), ERR_NONE);
		if (t.size % 256 == 0)
			tile_fold(str_span((const char *)(level_hashes[0] + t.size - 256), TILE_BYTES), 0, 256,
			    &level_hashes[1][t.size / 256 - 1]);
		if (t.size == 65536)
			tile_fold(str_span((const char *)level_hashes[1], TILE_BYTES), 0, 256, &level_hashes[2][0]);
		if (t.size == sizes[next]) merkle_root(&t, &roots[next++]);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t size = sizes[i];
		struct merkle_proof p;
		assert_int_equal(merkle_root_at(read_node, &size, size, &read), ERR_NONE);
		assert_true(merkle_equal(&read, &roots[i]));
		for (uint64_t at = 0; at < size; at += 1 + size / 7) {
			assert_int_equal(merkle_prove_inclusion(read_node, &size, at, size, &p), ERR_NONE);
			assert_true(merkle_includes(&p, at, &level_hashes[0][at], size, &roots[i]));
		}
		for (size_t j = 0; j <= i; j++) {
			assert_int_equal(merkle_prove_consistency(read_node, &size, sizes[j], size, &p), ERR_NONE);
			assert_true(merkle_extends(&p, sizes[j], &roots[j], size, &roots[i]));
		}
	}
	merkle_root(&t, &root);
	assert_true(merkle_equal(&root, &read));
	for (unsigned l = 0; l < 3; l++) free(level_hashes[l]);
}

static void test_no_such_node(void **state)
{
	struct tile t;
	unsigned first, count;
	(void)state;
	assert_false(tile_of_node(0, 7, 7, &t, &first, &count));
	assert_false(tile_of_node(3, 0, 7, &t, &first, &count));
	assert_false(tile_of_node(MERKLE_LEVELS, 0, MERKLE_SIZE_MAX, &t, &first, &count));
	assert_false(tile_of_node(0, 0, UINT64_MAX, &t, &first, &count));
	assert_true(tile_of_node(62, 0, MERKLE_SIZE_MAX, &t, &first, &count));
	assert_true(t.level == 7 && t.index == 0 && first == 0 && count == 64 && t.width == 127);
}

/* Every node within the tile as tile_fold makes it; none that is not complete. */
static void assert_nodes(const struct tile_nodes *t, const struct merkle_hash *hashes, unsigned width)
{
	struct merkle_hash folded;
	assert_int_equal(t->width, width);
	for (unsigned h = 0; h < TILE_HEIGHT; h++) {
		for (unsigned i = 0; i < width >> h; i++) {
			tile_fold(str_span((const char *)hashes, TILE_BYTES), i << h, 1u << h, &folded);
			const struct merkle_hash *node = tile_nodes_get(t, h, i);
			assert_true(node && merkle_equal(node, &folded));
		}
		assert_null(tile_nodes_get(t, h, width >> h));
	}
	assert_null(tile_nodes_get(t, TILE_HEIGHT, 0));
	assert_null(tile_nodes_get(t, 0, UINT32_MAX));
}

static void test_nodes_of_a_tile(void **state)
{
	static const unsigned widths[] = { 1, 2, 3, 100, 128, 255, 256 };
	struct merkle_hash hashes[TILE_WIDTH];
	struct tile_nodes t = { .width = 0 };
	struct str bytes = str_span((const char *)hashes, TILE_BYTES);
	(void)state;
	for (unsigned i = 0; i < TILE_WIDTH; i++) merkle_leaf(str_span((const char *)&i, sizeof i), &hashes[i]);
	assert_null(tile_nodes_get(&t, 0, 0));
	for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
		assert_true(tile_nodes_fill(&t, str_span(bytes.p, (size_t)widths[i] * SHA256_BYTES)));
		assert_nodes(&t, hashes, widths[i]);
	}
	assert_true(tile_nodes_fill(&t, str_span(bytes.p, SHA256_BYTES))); /* less of the same tells nothing new */
	assert_nodes(&t, hashes, TILE_WIDTH);
	assert_false(tile_nodes_fill(&t, STR_NONE));
	assert_false(tile_nodes_fill(&t, str_span(bytes.p, SHA256_BYTES + 1)));
	hashes[7].bytes[0] ^= 1; /* another tree: narrower, as wide */
	assert_true(tile_nodes_fill(&t, str_span(bytes.p, (size_t)70 * SHA256_BYTES)));
	assert_nodes(&t, hashes, 70);
	hashes[69].bytes[31] ^= 1;
	assert_true(tile_nodes_fill(&t, bytes));
	assert_nodes(&t, hashes, TILE_WIDTH);
}

static void test_bundles(void **state)
{
	static char big[ENTRY_BYTES_MAX + 1];
	struct buf b;
	struct str rest, entry;
	(void)state;
	buf_init(&b, BUNDLE_BYTES_MAX);
	bundle_append(&b, STR("{}"));
	bundle_append(&b, STR_NONE);
	bundle_append(&b, str_span(big, ENTRY_BYTES_MAX));
	assert_true(buf_ok(&b));
	assert_memory_equal(b.p, "\0\2{}\0\0\xff\xff", 8);
	rest = buf_view(&b);
	assert_int_equal(bundle_next(&rest, &entry), ERR_NONE);
	assert_true(str_eq(entry, STR("{}")));
	assert_int_equal(bundle_next(&rest, &entry), ERR_NONE);
	assert_int_equal(entry.n, 0);
	rest.n--;
	struct str cut = rest;
	assert_int_equal(bundle_next(&cut, &entry), ERR_SYNTAX);
	rest.n++;
	assert_int_equal(bundle_next(&rest, &entry), ERR_NONE);
	assert_int_equal(entry.n, ENTRY_BYTES_MAX);
	assert_int_equal(rest.n, 0);
	assert_int_equal(bundle_next(&rest, &entry), ERR_SYNTAX);
	bundle_append(&b, str_span(big, sizeof big));
	assert_false(buf_ok(&b));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_no_such_node),
		cmocka_unit_test(test_nodes_of_a_tile),
		cmocka_unit_test(test_bundles),
	};
	return cmocka_run_group_tests_name("tile", tests, NULL, NULL);
}
