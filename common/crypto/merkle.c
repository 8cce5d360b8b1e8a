/* Merkle tree hashing, growing, proving and verifying. Nothing here stores nodes: proofs are made from a reader of complete
 * subtrees, verification needs the proof only. Sizes and indexes are anyone's input, so every step is bounded by 64 levels. */
#include "common/crypto/merkle.h"

#include "common/crypto/engine.h"

enum { LEAF_PREFIX = 0x00, NODE_PREFIX = 0x01 };

void merkle_leaf(struct str data, struct merkle_hash *out)
{
	static const unsigned char prefix = LEAF_PREFIX;
	EVP_MD_CTX *c = engine_workbench()->digest;
	CHECK(EVP_DigestInit_ex2(c, NULL, NULL));
	CHECK(EVP_DigestUpdate(c, &prefix, 1));
	CHECK(EVP_DigestUpdate(c, engine_bytes(data), data.n));
	CHECK(EVP_DigestFinal_ex(c, out->bytes, NULL));
}

void merkle_node(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *out)
{
	char both[1 + 2 * SHA256_BYTES];
	both[0] = NODE_PREFIX;
	memcpy(both + 1, left->bytes, SHA256_BYTES);
	memcpy(both + 1 + SHA256_BYTES, right->bytes, SHA256_BYTES);
	sha256((struct str){ both, sizeof both }, out->bytes);
}

bool merkle_equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
	return memcmp(a->bytes, b->bytes, SHA256_BYTES) == 0;
}

enum err merkle_append(struct merkle_tree *t, const struct merkle_hash *leaf)
{
	struct merkle_hash carry = *leaf;
	unsigned level = 0;
	if (t->size >= MERKLE_SIZE_MAX) return ERR_PAYLOAD_TOO_LARGE;
	for (; t->size >> level & 1; level++) merkle_node(&t->level[level], &carry, &carry);
	t->level[level] = carry;
	t->size++;
	return ERR_NONE;
}

void merkle_root(const struct merkle_tree *t, struct merkle_hash *out)
{
	bool any = false;
	for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
		if (!(t->size >> level & 1)) continue;
		if (any)
			merkle_node(&t->level[level], out, out);
		else
			*out = t->level[level];
		any = true;
	}
	if (!any) sha256(STR_NONE, out->bytes);
}

/* Root of the n > 0 leaves from `first` on; `first` is a multiple of the greatest power of two in n, as in all of RFC 9162's splits.
 * The complete subtrees are read from the smallest, rightmost one leftwards. */
static enum err read_range(merkle_reader *read, void *context, uint64_t first, uint64_t n, struct merkle_hash *out)
{
	bool any = false;
	uint64_t end = first + n;
	for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
		struct merkle_hash node;
		if (!(n >> level & 1)) continue;
		end -= (uint64_t)1 << level;
		TRY(read(context, level, end >> level, &node));
		if (any)
			merkle_node(&node, out, out);
		else
			*out = node;
		any = true;
	}
	return ERR_NONE;
}

/* The greatest power of two below n; n ≥ 2. */
static uint64_t split(uint64_t n)
{
	return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

static void reverse(struct merkle_proof *p)
{
	for (unsigned i = 0; i < p->count / 2; i++) {
		struct merkle_hash kept = p->item[i];
		p->item[i] = p->item[p->count - 1 - i];
		p->item[p->count - 1 - i] = kept;
	}
}

enum err merkle_root_at(merkle_reader *read, void *context, uint64_t size, struct merkle_hash *out)
{
	if (size > MERKLE_SIZE_MAX) return ERR_SYNTAX;
	if (size) return read_range(read, context, 0, size, out);
	sha256(STR_NONE, out->bytes);
	return ERR_NONE;
}

enum err merkle_prove_inclusion(
    merkle_reader *read, void *context, uint64_t index, uint64_t size, struct merkle_proof *out)
{
	uint64_t first = 0, n = size;
	out->count = 0;
	if (size > MERKLE_SIZE_MAX || index >= size) return ERR_SYNTAX;
	while (n > 1) {
		uint64_t k = split(n);
		CHECK(out->count < MERKLE_PROOF_MAX);
		struct merkle_hash *sibling = &out->item[out->count++];
		if (index - first < k) {
			TRY(read_range(read, context, first + k, n - k, sibling));
			n = k;
		} else {
			TRY(read_range(read, context, first, k, sibling));
			first += k;
			n -= k;
		}
	}
	reverse(out);
	return ERR_NONE;
}

enum err merkle_prove_consistency(
    merkle_reader *read, void *context, uint64_t old_size, uint64_t size, struct merkle_proof *out)
{
	uint64_t first = 0, n = size, m = old_size;
	out->count = 0;
	if (size > MERKLE_SIZE_MAX || old_size > size) return ERR_SYNTAX;
	if (old_size == 0) return ERR_NONE;
	while (m != n) {
		uint64_t k = split(n);
		CHECK(out->count < MERKLE_PROOF_MAX);
		struct merkle_hash *sibling = &out->item[out->count++];
		if (m <= k) {
			TRY(read_range(read, context, first + k, n - k, sibling));
			n = k;
		} else {
			TRY(read_range(read, context, first, k, sibling));
			first += k;
			m -= k;
			n -= k;
		}
	}
	if (first > 0) { /* else the old tree is itself a node, which the verifier has */
		CHECK(out->count < MERKLE_PROOF_MAX);
		TRY(read_range(read, context, first, n, &out->item[out->count++]));
	}
	reverse(out);
	return ERR_NONE;
}

enum err merkle_edge_read(merkle_reader *read, void *context, uint64_t size, struct merkle_edge *out)
{
	uint64_t end = size;
	bool any = false;
	if (size > MERKLE_SIZE_MAX) return ERR_SYNTAX;
	out->size = size;
	sha256(STR_NONE, out->root.bytes);
	for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
		if (!(size >> level & 1)) continue;
		end -= (uint64_t)1 << level;
		TRY(read(context, level, end >> level, &out->peak[level]));
		out->behind[level] = out->root; /* used only where something is behind */
		if (any)
			merkle_node(&out->peak[level], &out->root, &out->root);
		else
			out->root = out->peak[level];
		any = true;
	}
	return ERR_NONE;
}

enum err merkle_edge_prove(
    const struct merkle_edge *e, merkle_reader *read, void *context, uint64_t index, struct merkle_proof *out)
{
	out->count = 0;
	if (index >= e->size) return ERR_SYNTAX;
	/* The leaf's subtree is named by the highest bit in which its place and the size differ. */
	unsigned own = 63 - (unsigned)__builtin_clzll(index ^ e->size);
	for (unsigned level = 0; level < own; level++)
		TRY(read(context, level, index >> level ^ 1, &out->item[out->count++]));
	if (e->size & (((uint64_t)1 << own) - 1)) out->item[out->count++] = e->behind[own];
	for (unsigned level = own + 1; level < MERKLE_LEVELS; level++)
		if (e->size >> level & 1) out->item[out->count++] = e->peak[level];
	return ERR_NONE;
}

/* Where a verification stands on its way up: the node's index in its level, and that of the level's last node. */
struct climb {
	uint64_t node;
	uint64_t last;
};

static void climb_up(struct climb *c)
{
	c->node >>= 1;
	c->last >>= 1;
}

/* True when the sibling stands left; then levels at which the node has no sibling are skipped. */
static bool climb_is_right(struct climb *c)
{
	if (!(c->node & 1) && c->node != c->last) return false;
	while (!(c->node & 1) && c->node != 0) climb_up(c);
	return true;
}

bool merkle_includes(const struct merkle_proof *proof, uint64_t index, const struct merkle_hash *leaf, uint64_t size,
    const struct merkle_hash *root)
{
	struct merkle_hash made = *leaf;
	if (size > MERKLE_SIZE_MAX || index >= size || proof->count > MERKLE_PROOF_MAX) return false;
	struct climb c = { index, size - 1 };
	for (unsigned i = 0; i < proof->count; i++) {
		if (c.last == 0) return false;
		if (climb_is_right(&c))
			merkle_node(&proof->item[i], &made, &made);
		else
			merkle_node(&made, &proof->item[i], &made);
		climb_up(&c);
	}
	return c.last == 0 && merkle_equal(&made, root);
}

static bool is_empty_root(const struct merkle_hash *root)
{
	struct merkle_hash empty;
	sha256(STR_NONE, empty.bytes);
	return merkle_equal(root, &empty);
}

bool merkle_extends(const struct merkle_proof *proof, uint64_t old_size, const struct merkle_hash *old_root,
    uint64_t size, const struct merkle_hash *root)
{
	if (size > MERKLE_SIZE_MAX || old_size > size || proof->count > MERKLE_PROOF_MAX) return false;
	if (old_size == size) return proof->count == 0 && merkle_equal(old_root, root);
	if (old_size == 0) return proof->count == 0 && is_empty_root(old_root);
	bool given = (old_size & (old_size - 1)) == 0; /* the old root is the first node */
	if (!given && proof->count == 0) return false;
	struct climb c = { old_size - 1, size - 1 };
	while (c.node & 1) climb_up(&c);
	struct merkle_hash old = given ? *old_root : proof->item[0], made = old;
	for (unsigned i = given ? 0 : 1; i < proof->count; i++) {
		const struct merkle_hash *sibling = &proof->item[i];
		if (c.last == 0) return false;
		if (climb_is_right(&c)) {
			merkle_node(sibling, &old, &old);
			merkle_node(sibling, &made, &made);
		} else {
			merkle_node(&made, sibling, &made);
		}
		climb_up(&c);
	}
	return c.last == 0 && merkle_equal(&old, old_root) && merkle_equal(&made, root);
}
