/* The fold: balances by account, and the set of ids that keeps each event from counting twice. A balance stays within ±(2^53 - 1). */
#include "deploy/verify/fold.h"

#include <stdlib.h>

#include "common/core/id.h"

enum { ID_SLOTS_FIRST = 1024 };
static const size_t arena_bytes_max = (size_t)1 << 30;

void fold_init(struct fold *f)
{
	*f = (struct fold){ .id_slots = ID_SLOTS_FIRST };
	arena_init(&f->arena, 64 << 10, arena_bytes_max);
	map_init(&f->accounts, &f->arena);
	f->ids = calloc(f->id_slots, LEAF_ID_BYTES);
	CHECK(f->ids);
}

void fold_free(struct fold *f)
{
	arena_release(&f->arena);
	free(f->ids);
	*f = (struct fold){ 0 };
}

/* The id's slot, or the free one where it belongs. */
static unsigned char *slot_of(unsigned char *ids, size_t slots, const unsigned char id[LEAF_ID_BYTES])
{
	static const unsigned char none[LEAF_ID_BYTES];
	size_t at = id_hash(str_span((const char *)id, LEAF_ID_BYTES)) & (slots - 1);
	for (;; at = (at + 1) & (slots - 1)) {
		unsigned char *slot = ids + at * LEAF_ID_BYTES;
		if (memcmp(slot, id, LEAF_ID_BYTES) == 0 || memcmp(slot, none, LEAF_ID_BYTES) == 0) return slot;
	}
}

static bool knows(const struct fold *f, const unsigned char id[LEAF_ID_BYTES])
{
	return memcmp(slot_of(f->ids, f->id_slots, id), id, LEAF_ID_BYTES) == 0;
}

static void grow(struct fold *f)
{
	static const unsigned char none[LEAF_ID_BYTES];
	size_t slots = f->id_slots * 2;
	unsigned char *ids = calloc(slots, LEAF_ID_BYTES);
	CHECK(ids);
	for (size_t i = 0; i < f->id_slots; i++) {
		const unsigned char *id = f->ids + i * LEAF_ID_BYTES;
		if (memcmp(id, none, LEAF_ID_BYTES) != 0) memcpy(slot_of(ids, slots, id), id, LEAF_ID_BYTES);
	}
	free(f->ids);
	f->ids = ids;
	f->id_slots = slots;
}

static struct fold_account *account_of(struct fold *f, struct str name)
{
	struct fold_account *a = map_get(&f->accounts, name);
	if (a) return a;
	a = ARENA_NEW(&f->arena, struct fold_account);
	name = arena_str(&f->arena, name);
	return a && name.p && map_set(&f->accounts, name, a) ? a : NULL;
}

static bool add_postings(struct fold *f, const struct leaf *l, struct verdict *v)
{
	int64_t fen, sum = 0; /* 256 postings of less than 2^53 cannot overflow it */
	for (const struct json *p = json_first(l->postings); p; p = json_next(p)) {
		const struct json *name = json_first(p);
		struct fold_account *a = account_of(f, json_string(name));
		CHECK(leaf_read_integer(json_next(name), &fen));
		if (!a) return verdict_cannot(v, "there are more accounts than this program holds");
		sum += fen;
		a->fen += fen; /* both are within 2^53 */
		if (a->fen <= -LEAF_INTEGER_MAX || a->fen >= LEAF_INTEGER_MAX)
			return verdict_no(v, "postings", "leaf %llu moves %.*s out of range",
			    (unsigned long long)f->leaves, STR_FMT(json_string(name)));
	}
	if (sum == 0) return true;
	return verdict_no(v, "postings", "the postings of leaf %llu sum to %lld fen, not to 0",
	    (unsigned long long)f->leaves, (long long)sum);
}

bool fold_add(struct fold *f, const struct leaf *l, struct verdict *v)
{
	unsigned char id[LEAF_ID_BYTES];
	for (const struct json *link = l->links ? json_first(l->links) : NULL; link; link = json_next(link)) {
		CHECK(leaf_read_id(json_string(link), id));
		if (!knows(f, id))
			return verdict_no(v, "leaf-link", "leaf %llu links to %.*s, which is no earlier leaf",
			    (unsigned long long)f->leaves, STR_FMT(json_string(link)));
	}
	if (knows(f, l->id))
		return verdict_no(v, "leaf-id", "leaf %llu has the id %.*s of an earlier one",
		    (unsigned long long)f->leaves, STR_FMT(l->id_text));
	if (l->postings && !add_postings(f, l, v)) return false;
	if (f->leaves >= f->id_slots / 2) grow(f);
	memcpy(slot_of(f->ids, f->id_slots, l->id), l->id, LEAF_ID_BYTES);
	f->leaves++;
	return true;
}

static bool compare_one(struct fold *f, const struct json *item, struct verdict *v)
{
	int64_t fen;
	struct str name = json_get_str(item, "account");
	const struct json *amount = json_get(item, STR("fen"));
	if (!name.p || !amount || !leaf_read_integer(amount, &fen))
		return verdict_no(v, "balances-form", "an item of the balances lacks account or fen");
	struct fold_account *a = account_of(f, name);
	if (!a) return verdict_cannot(v, "there are more accounts than this program holds");
	if (a->published) return verdict_no(v, "balances-form", "%.*s is published twice", STR_FMT(name));
	a->published = true;
	if (a->fen == fen) return true;
	return verdict_no(v, "balance", "%.*s is published with %lld fen; its postings make %lld fen", STR_FMT(name),
	    (long long)fen, (long long)a->fen);
}

bool fold_compare(struct fold *f, const struct json *items, struct verdict *v)
{
	struct map_entry e;
	size_t at = 0;
	for (const struct json *i = json_first(items); i; i = json_next(i))
		if (!compare_one(f, i, v)) return false;
	while (map_each(&f->accounts, &at, &e)) {
		const struct fold_account *a = e.value;
		if (!a->published && a->fen != 0)
			return verdict_no(v, "balance", "%.*s is not published; its postings make %lld fen",
			    STR_FMT(e.key), (long long)a->fen);
	}
	return true;
}
