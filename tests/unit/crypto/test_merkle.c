/* RFC 6962's well-known vectors, and every size up to 130 against the plain recursion of the RFC. */
#include "common/crypto/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/core/id.h"

enum { SIZES = 131 };

static struct merkle_hash leaves[SIZES];

static int setup(void **state)
{
	char text[16];
	(void)state;
	for (int i = 0; i < SIZES; i++) {
		int n = snprintf(text, sizeof text, "leaf %d", i);
		merkle_leaf(str_span(text, (size_t)n), &leaves[i]);
	}
	return 0;
}

/* RFC 9162 2.1.1, word for word. */
static void naive_root(const struct merkle_hash *d, uint64_t n, struct merkle_hash *out)
{
	struct merkle_hash left, right;
	uint64_t k = 1;
	if (n == 0) {
		sha256(STR(""), out->bytes);
		return;
	}
	if (n == 1) {
		*out = d[0];
		return;
	}
	while (k * 2 < n) k *= 2;
	naive_root(d, k, &left);
	naive_root(d + k, n - k, &right);
	merkle_node(&left, &right, out);
}

/* RFC 9162 2.1.3.1. */
static void naive_path(uint64_t m, const struct merkle_hash *d, uint64_t n, struct merkle_proof *p)
{
	uint64_t k = 1;
	if (n == 1) return;
	while (k * 2 < n) k *= 2;
	if (m < k) {
		naive_path(m, d, k, p);
		naive_root(d + k, n - k, &p->item[p->count++]);
	} else {
		naive_path(m - k, d + k, n - k, p);
		naive_root(d, k, &p->item[p->count++]);
	}
}

/* RFC 9162 2.1.4.1. */
static void naive_subproof(uint64_t m, const struct merkle_hash *d, uint64_t n, bool whole, struct merkle_proof *p)
{
	uint64_t k = 1;
	if (m == n) {
		if (!whole) naive_root(d, n, &p->item[p->count++]);
		return;
	}
	while (k * 2 < n) k *= 2;
	if (m <= k) {
		naive_subproof(m, d, k, whole, p);
		naive_root(d + k, n - k, &p->item[p->count++]);
	} else {
		naive_subproof(m - k, d + k, n - k, false, p);
		naive_root(d, k, &p->item[p->count++]);
	}
}

/* Reads nodes of leaves[0..*size) and refuses to know of any other. */
static enum err read_node(void *context, unsigned level, uint64_t index, struct merkle_hash *out)
{
	const uint64_t *size = context;
	assert_true(level < 8 && (index + 1) << level <= *size);
	naive_root(leaves + (index << level), (uint64_t)1 << level, out);
	return ERR_NONE;
}

static enum err read_nothing(void *context, unsigned level, uint64_t index, struct merkle_hash *out)
{
	(void)context, (void)level, (void)index, (void)out;
	return ERR_IO;
}

static void assert_hex(const struct merkle_hash *h, const char *hex)
{
	char made[2 * SHA256_BYTES];
	id_hex(h->bytes, SHA256_BYTES, made);
	assert_memory_equal(made, hex, strlen(hex));
}

static void assert_same_proof(const struct merkle_proof *a, const struct merkle_proof *b)
{
	assert_int_equal(a->count, b->count);
	for (unsigned i = 0; i < a->count; i++) assert_true(merkle_equal(&a->item[i], &b->item[i]));
}

static const struct str classic[8] = {
	{ "", 0 },
	{ "\x00", 1 },
	{ "\x10", 1 },
	{ "\x20\x21", 2 },
	{ "\x30\x31", 2 },
	{ "\x40\x41\x42\x43", 4 },
	{ "\x50\x51\x52\x53\x54\x55\x56\x57", 8 },
	{ "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16 },
};

static const char *const classic_roots[9] = {
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void test_classic_roots(void **state)
{
	struct merkle_tree t = { 0 };
	struct merkle_hash h;
	(void)state;
	for (unsigned i = 0;; i++) {
		merkle_root(&t, &h);
		assert_hex(&h, classic_roots[i]);
		if (i == 8) break;
		merkle_leaf(classic[i], &h);
		assert_int_equal(merkle_append(&t, &h), ERR_NONE);
	}
}

struct classic_proof {
	uint64_t from, size;
	const char *item[4];
};

static enum err read_classic(void *context, unsigned level, uint64_t index, struct merkle_hash *out)
{
	struct merkle_hash d[8];
	(void)context;
	for (unsigned i = 0; i < 8; i++) merkle_leaf(classic[i], &d[i]);
	naive_root(d + (index << level), (uint64_t)1 << level, out);
	return ERR_NONE;
}

static void assert_classic(const struct merkle_proof *p, const struct classic_proof *row)
{
	unsigned n = 0;
	while (n < 4 && row->item[n]) n++;
	assert_int_equal(p->count, n);
	for (unsigned i = 0; i < n; i++) assert_hex(&p->item[i], row->item[i]);
}

static void test_classic_inclusion(void **state)
{
	static const struct classic_proof rows[] = {
		{ 0, 1, { NULL } },
		{ 0, 8,
		    { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
		{ 5, 8,
		    { "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
			"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
			"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
		{ 2, 3, { "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" } },
		{ 1, 5,
		    { "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
	};
	struct merkle_proof p;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(merkle_prove_inclusion(read_classic, NULL, rows[i].from, rows[i].size, &p), ERR_NONE);
		assert_classic(&p, &rows[i]);
	}
}

static void test_classic_consistency(void **state)
{
	static const struct classic_proof rows[] = {
		{ 1, 1, { NULL } },
		{ 1, 8,
		    { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
		{ 6, 8,
		    { "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
			"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
			"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
		{ 2, 5,
		    { "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
	};
	struct merkle_proof p;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
		    merkle_prove_consistency(read_classic, NULL, rows[i].from, rows[i].size, &p), ERR_NONE);
		assert_classic(&p, &rows[i]);
	}
}

static void test_every_root(void **state)
{
	struct merkle_tree t = { 0 };
	struct merkle_hash made, read, expected;
	(void)state;
	for (uint64_t n = 0; n < SIZES; n++) {
		naive_root(leaves, n, &expected);
		merkle_root(&t, &made);
		assert_true(merkle_equal(&made, &expected));
		assert_int_equal(merkle_root_at(read_node, &n, n, &read), ERR_NONE);
		assert_true(merkle_equal(&read, &expected));
		assert_int_equal(merkle_append(&t, &leaves[n]), ERR_NONE);
	}
}

/* The proof as it is proves; with anything about it changed it does not. */
static void try_inclusion(struct merkle_proof *p, uint64_t index, uint64_t size, const struct merkle_hash *root)
{
	assert_true(merkle_includes(p, index, &leaves[index], size, root));
	assert_false(merkle_includes(p, index, &leaves[(index + 1) % SIZES], size, root));
	assert_false(merkle_includes(p, index, &leaves[index], size, &leaves[index == 0 ? 1 : 0]));
	if (size > 1) assert_false(merkle_includes(p, (index + 1) % size, &leaves[index], size, root));
	for (unsigned i = 0; i < p->count; i++) {
		p->item[i].bytes[i % SHA256_BYTES] ^= 1;
		assert_false(merkle_includes(p, index, &leaves[index], size, root));
		p->item[i].bytes[i % SHA256_BYTES] ^= 1;
	}
	p->item[p->count++] = *root;
	assert_false(merkle_includes(p, index, &leaves[index], size, root));
	p->count--;
	if (p->count == 0) return;
	p->count--;
	assert_false(merkle_includes(p, index, &leaves[index], size, root));
}

static void test_every_inclusion(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < SIZES; n++) {
		struct merkle_hash root;
		naive_root(leaves, n, &root);
		struct merkle_edge edge;
		assert_int_equal(merkle_edge_read(read_node, &n, n, &edge), ERR_NONE);
		assert_true(merkle_equal(&edge.root, &root));
		for (uint64_t i = 0; i < n; i++) {
			struct merkle_proof made, expected = { 0 };
			assert_int_equal(merkle_prove_inclusion(read_node, &n, i, n, &made), ERR_NONE);
			naive_path(i, leaves, n, &expected);
			assert_same_proof(&made, &expected);
			assert_int_equal(merkle_edge_prove(&edge, read_node, &n, i, &made), ERR_NONE);
			assert_same_proof(&made, &expected);
			try_inclusion(&made, i, n, &root);
		}
	}
}

static void try_consistency(
    struct merkle_proof *p, uint64_t m, const struct merkle_hash *old_root, uint64_t n, const struct merkle_hash *root)
{
	struct merkle_hash other = leaves[SIZES - 1];
	other.bytes[3] ^= 4;
	assert_true(merkle_extends(p, m, old_root, n, root));
	assert_false(merkle_extends(p, m, &other, n, root));
	if (m > 0) assert_false(merkle_extends(p, m, old_root, n, &other));
	if (m > 1 && m < n) assert_false(merkle_extends(p, m - 1, old_root, n, root));
	if (m < n) assert_false(merkle_extends(p, n, root, m, old_root));
	for (unsigned i = 0; i < p->count; i++) {
		p->item[i].bytes[i % SHA256_BYTES] ^= 1;
		assert_false(merkle_extends(p, m, old_root, n, root));
		p->item[i].bytes[i % SHA256_BYTES] ^= 1;
	}
	p->item[p->count++] = *root;
	assert_false(merkle_extends(p, m, old_root, n, root));
	p->count--;
	if (p->count == 0) return;
	p->count--;
	assert_false(merkle_extends(p, m, old_root, n, root));
}

static void test_every_consistency(void **state)
{
	struct merkle_hash roots[SIZES];
	(void)state;
	for (uint64_t n = 0; n < SIZES; n++) {
		naive_root(leaves, n, &roots[n]);
		for (uint64_t m = 0; m <= n; m++) {
			struct merkle_proof made, expected = { 0 };
			assert_int_equal(merkle_prove_consistency(read_node, &n, m, n, &made), ERR_NONE);
			if (m) naive_subproof(m, leaves, n, true, &expected);
			assert_same_proof(&made, &expected);
			try_consistency(&made, m, &roots[m], n, &roots[n]);
		}
	}
}

static void test_bounds(void **state)
{
	struct merkle_tree full = { .size = MERKLE_SIZE_MAX };
	struct merkle_proof p = { .count = MERKLE_PROOF_MAX + 1 };
	struct merkle_hash h;
	uint64_t n = 7;
	(void)state;
	assert_int_equal(merkle_append(&full, &leaves[0]), ERR_PAYLOAD_TOO_LARGE);
	assert_false(merkle_includes(&p, 0, &leaves[0], MERKLE_SIZE_MAX, &leaves[1]));
	assert_false(merkle_extends(&p, 3, &leaves[0], MERKLE_SIZE_MAX, &leaves[1]));
	p.count = MERKLE_PROOF_MAX;
	assert_false(merkle_includes(&p, MERKLE_SIZE_MAX - 1, &leaves[0], MERKLE_SIZE_MAX, &leaves[1]));
	assert_false(merkle_includes(&p, 0, &leaves[0], UINT64_MAX, &leaves[1]));
	assert_false(merkle_extends(&p, 3, &leaves[0], MERKLE_SIZE_MAX, &leaves[1]));
	p.count = 0;
	assert_false(merkle_includes(&p, 0, &leaves[0], 0, &leaves[0]));
	assert_false(merkle_extends(&p, 3, &leaves[0], 4, &leaves[1]));
	assert_int_equal(merkle_root_at(read_node, &n, UINT64_MAX, &h), ERR_SYNTAX);
	assert_int_equal(merkle_prove_inclusion(read_node, &n, 7, 7, &p), ERR_SYNTAX);
	assert_int_equal(merkle_prove_inclusion(read_node, &n, 0, UINT64_MAX, &p), ERR_SYNTAX);
	assert_int_equal(merkle_prove_consistency(read_node, &n, 8, 7, &p), ERR_SYNTAX);
	assert_int_equal(merkle_prove_inclusion(read_nothing, NULL, 3, 7, &p), ERR_IO);
	assert_int_equal(merkle_prove_consistency(read_nothing, NULL, 3, 7, &p), ERR_IO);
	assert_int_equal(merkle_root_at(read_nothing, NULL, 7, &h), ERR_IO);

	struct merkle_edge edge;
	assert_int_equal(merkle_edge_read(read_node, &n, UINT64_MAX, &edge), ERR_SYNTAX);
	assert_int_equal(merkle_edge_read(read_nothing, NULL, 7, &edge), ERR_IO);
	assert_int_equal(merkle_edge_read(read_nothing, NULL, 0, &edge), ERR_NONE);
	assert_int_equal(merkle_edge_prove(&edge, read_node, &n, 0, &p), ERR_SYNTAX);
	assert_int_equal(merkle_edge_read(read_node, &n, 7, &edge), ERR_NONE);
	assert_int_equal(merkle_edge_prove(&edge, read_node, &n, 7, &p), ERR_SYNTAX);
	assert_int_equal(merkle_edge_prove(&edge, read_nothing, NULL, 0, &p), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classic_roots),
		cmocka_unit_test(test_classic_inclusion),
		cmocka_unit_test(test_classic_consistency),
		cmocka_unit_test(test_every_root),
		cmocka_unit_test(test_every_inclusion),
		cmocka_unit_test(test_every_consistency),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests_name("merkle", tests, setup, NULL);
}
