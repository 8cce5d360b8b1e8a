#ifndef DEPLOY_VERIFY_VERIFY_H
#define DEPLOY_VERIFY_VERIFY_H

#include "common/crypto/note.h"
#include "common/crypto/tile.h"
#include "deploy/verify/verdict.h"

/* The three questions that the program answers. Each returns true for yes and fills *v in any case. */

enum { WITNESSES_MAX = 16 };

/** Whom the asker believes: the log's key, and witnesses who must all have cosigned. */
struct trust {
	struct note_key log;
	unsigned witness_count;
	struct note_key witness[WITNESSES_MAX];
};

/** Reads the keys' texts into *t. */
MUST_USE bool trust_add(struct arena *a, struct str key, struct trust *t, struct verdict *v);
void trust_free(struct trust *t);

/** A checkpoint that `t` vouches for. `what` names it in texts. Checks: checkpoint-form, -key, -signature, -origin, witness. */
MUST_USE bool checkpoint_open(struct arena *a, const struct trust *t, struct str message, const char *what,
    struct checkpoint *out, struct verdict *v);

/** Is the leaf of this receipt (JSON text) in the log? */
MUST_USE bool verify_receipt(const struct trust *t, struct str receipt, struct verdict *v);
/** Do all leaves in `dir` make the checkpoint's root and the published balances? `seen` is an earlier checkpoint's file, or NULL. */
MUST_USE bool verify_all(const struct trust *t, const char *dir, const char *seen, struct verdict *v);
/** Is the log of one checkpoint the beginning of the other's? */
MUST_USE bool verify_consistency(
    const struct trust *t, const char *old_file, const char *new_file, const char *dir, struct verdict *v);

#endif
