/* A bundle of leaves: what a leaf promises when it is read, and folds that stay in range; the rest as a receipt and as balances. */
/* links: verify */
#include "common/crypto/tile.h"
#include "deploy/verify/fold.h"
#include "deploy/verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_leaf(const struct leaf *l)
{
	int64_t fen;
	CHECK(l->type.n && l->subject.n && l->id_text.n == 36);
	CHECK(!l->links || (json_count(l->links) >= 1 && json_count(l->links) <= LEAF_LINKS_MAX));
	if (!l->postings) return;
	CHECK(json_count(l->postings) >= 1 && json_count(l->postings) <= LEAF_POSTINGS_MAX);
	for (const struct json *p = json_first(l->postings); p; p = json_next(p))
		CHECK(leaf_read_integer(json_next(json_first(p)), &fen) && fen != 0);
}

static void check_fold(struct fold *f)
{
	struct map_entry e;
	int64_t sum = 0;
	size_t at = 0;
	while (map_each(&f->accounts, &at, &e)) {
		const struct fold_account *a = e.value;
		CHECK(a->fen > -LEAF_INTEGER_MAX && a->fen < LEAF_INTEGER_MAX);
		sum += a->fen;
	}
	CHECK(sum == 0);
}

static void try_leaves(struct str rest)
{
	struct fold f;
	struct arena a;
	struct verdict v = { 0 };
	struct str entry;
	bool ok = true;
	fold_init(&f);
	arena_init(&a, 4096, 16 << 20);
	while (ok && rest.n && bundle_next(&rest, &entry) == ERR_NONE) {
		struct leaf l;
		const char *why;
		arena_reset(&a);
		if (!leaf_read(&a, entry, &l, &why)) {
			CHECK(why && *why);
			continue;
		}
		CHECK(!why);
		check_leaf(&l);
		ok = fold_add(&f, &l, &v);
		CHECK(ok || v.kind != VERDICT_YES);
	}
	if (ok) check_fold(&f);
	arena_release(&a);
	fold_free(&f);
}

static void try_balances(struct str input)
{
	struct fold f;
	struct arena a;
	struct verdict v = { 0 };
	const struct json *items;
	arena_init(&a, 4096, 16 << 20);
	fold_init(&f);
	if (json_read(&a, input, 8, &items, NULL) == ERR_NONE && json_type(items) == JSON_ARRAY)
		CHECK(fold_compare(&f, items, &v) || v.kind != VERDICT_YES);
	fold_free(&f);
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 << 18) return 0;
	try_leaves(str_span((const char *)data, size));
	try_balances(str_span((const char *)data, size));
	return 0;
}
