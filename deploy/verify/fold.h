#ifndef DEPLOY_VERIFY_FOLD_H
#define DEPLOY_VERIFY_FOLD_H

#include "common/core/map.h"
#include "deploy/verify/leaf.h"
#include "deploy/verify/verdict.h"

/* All leaves folded, in order, to the balance of every account. */

struct fold {
	struct arena arena;
	struct map accounts; /* name → struct fold_account */
	unsigned char *ids; /* of the leaves so far: open addressing, 16 bytes a slot, zeros are free */
	size_t id_slots;
	uint64_t leaves;
};

struct fold_account {
	int64_t fen;
	bool published; /* seen by fold_compare */
};

void fold_init(struct fold *f);
void fold_free(struct fold *f);
/** Adds the next leaf. Checks: leaf-id (never twice), leaf-link (only to earlier leaves), postings (sum 0, no overflow). */
MUST_USE bool fold_add(struct fold *f, const struct leaf *l, struct verdict *v);
/** Whether `items` ([{"account", "fen"}]) are exactly the balances; accounts at 0 may be left out. Check: balance. */
MUST_USE bool fold_compare(struct fold *f, const struct json *items, struct verdict *v);

#endif
