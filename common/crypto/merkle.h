#ifndef COMMON_CRYPTO_MERKLE_H
#define COMMON_CRYPTO_MERKLE_H

#include "common/crypto/crypto.h"

/* Merkle trees of RFC 9162 (the same as RFC 6962's): SHA-256, 0x00 before a leaf, 0x01 before a pair of nodes. */

enum { MERKLE_LEVELS = 63, MERKLE_PROOF_MAX = 64 };
#define MERKLE_SIZE_MAX ((uint64_t)INT64_MAX)

struct merkle_hash {
	unsigned char bytes[SHA256_BYTES];
};

struct merkle_proof {
	unsigned count;
	struct merkle_hash item[MERKLE_PROOF_MAX]; /* from the leaves upwards */
};

void merkle_leaf(struct str data, struct merkle_hash *out);
/** `out` may be one of the two. */
void merkle_node(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *out);
bool merkle_equal(const struct merkle_hash *a, const struct merkle_hash *b);

/** A growing tree as the roots of its complete subtrees: level i is held when bit i of size is set. Zeroed is empty. */
struct merkle_tree {
	uint64_t size;
	struct merkle_hash level[MERKLE_LEVELS];
};

/** Adds a leaf's hash. Fails: ERR_PAYLOAD_TOO_LARGE at MERKLE_SIZE_MAX. */
MUST_USE enum err merkle_append(struct merkle_tree *t, const struct merkle_hash *leaf);
/** The root; of an empty tree the hash of nothing. */
void merkle_root(const struct merkle_tree *t, struct merkle_hash *out);

/**
 * Reads a node: the root of the complete subtree over the leaves [index << level, (index + 1) << level).
 * Only nodes within the tree that the caller named are asked for.
 */
typedef enum err merkle_reader(void *context, unsigned level, uint64_t index, struct merkle_hash *out);

/** Root of the first `size` leaves. Fails: what the reader says, ERR_SYNTAX for an impossible size. */
MUST_USE enum err merkle_root_at(merkle_reader *read, void *context, uint64_t size, struct merkle_hash *out);
/** Fails: ERR_SYNTAX unless index < size ≤ MERKLE_SIZE_MAX; what the reader says. */
MUST_USE enum err merkle_prove_inclusion(
    merkle_reader *read, void *context, uint64_t index, uint64_t size, struct merkle_proof *out);
/** Fails: ERR_SYNTAX unless old_size ≤ size ≤ MERKLE_SIZE_MAX; what the reader says. */
MUST_USE enum err merkle_prove_consistency(
    merkle_reader *read, void *context, uint64_t old_size, uint64_t size, struct merkle_proof *out);

/**
 * What all inclusion proofs of a tree share: its complete subtrees and what stands right of each. The proof of a leaf is its way
 * within its own subtree, then at most one hash of those to the right, then the subtrees to the left: no hashing.
 */
struct merkle_edge {
	uint64_t size;
	struct merkle_hash root;
	struct merkle_hash peak[MERKLE_LEVELS]; /* as level[] of merkle_tree */
	struct merkle_hash behind[MERKLE_LEVELS]; /* root of all leaves right of that subtree */
};
/** Fails: as merkle_root_at. */
MUST_USE enum err merkle_edge_read(merkle_reader *read, void *context, uint64_t size, struct merkle_edge *out);
/** The same as merkle_prove_inclusion in the tree of e->size leaves; reads only within the leaf's own subtree. Fails: as that. */
MUST_USE enum err merkle_edge_prove(
    const struct merkle_edge *e, merkle_reader *read, void *context, uint64_t index, struct merkle_proof *out);

/** True when `leaf` (a leaf's hash) stands at `index` of the tree of `size` leaves with this root. */
bool merkle_includes(const struct merkle_proof *proof, uint64_t index, const struct merkle_hash *leaf, uint64_t size,
    const struct merkle_hash *root);
/** True when the tree of old_size leaves is the beginning of the other. Old size 0: only its root is looked at. */
bool merkle_extends(const struct merkle_proof *proof, uint64_t old_size, const struct merkle_hash *old_root,
    uint64_t size, const struct merkle_hash *root);

#endif
