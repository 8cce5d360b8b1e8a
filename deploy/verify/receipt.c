/* One receipt: a leaf, where it stands, and the hashes that lead from it to a signed root. */
#include "common/core/id.h"
#include "deploy/verify/files.h"
#include "deploy/verify/leaf.h"

enum { SALT_BYTES = 16, VALUE_BYTES_MAX = 4096 };
static const size_t receipt_arena_bytes = (size_t)16 << 20;

struct receipt {
	struct str leaf;
	uint64_t index;
	struct str checkpoint;
	struct merkle_proof proof;
	const struct json *openings; /* may be NULL */
};

static bool read_proof(struct arena *a, const struct json *items, struct merkle_proof *out)
{
	struct str bytes;
	if (!items || json_type(items) != JSON_ARRAY || json_count(items) > MERKLE_PROOF_MAX) return false;
	for (const struct json *i = json_first(items); i; i = json_next(i)) {
		if (base64_decode(a, json_string(i), &bytes) || bytes.n != SHA256_BYTES) return false;
		memcpy(out->item[out->count++].bytes, bytes.p, SHA256_BYTES);
	}
	return true;
}

static bool read_receipt(struct arena *a, struct str text, struct receipt *out, struct verdict *v)
{
	const struct json *root, *index;
	int64_t number;
	*out = (struct receipt){ 0 };
	if (text.n > RECEIPT_BYTES_MAX || json_read(a, text, 4, &root, NULL) || json_type(root) != JSON_OBJECT)
		return verdict_no(v, "receipt-form", "the receipt is not a JSON object");
	if (json_get_i64(root, "v", 0) != 1) return verdict_no(v, "receipt-form", "\"v\" is not 1");
	out->leaf = json_get_str(root, "leaf");
	out->checkpoint = json_get_str(root, "checkpoint");
	out->openings = json_get(root, STR("openings"));
	index = json_get(root, STR("index"));
	if (!out->leaf.p || out->leaf.n > ENTRY_BYTES_MAX)
		return verdict_no(v, "receipt-form", "\"leaf\" is not its text");
	if (!out->checkpoint.p) return verdict_no(v, "receipt-form", "\"checkpoint\" is not a text");
	if (!index || !leaf_read_integer(index, &number) || number < 0)
		return verdict_no(v, "receipt-form", "\"index\" is not a whole number");
	out->index = (uint64_t)number;
	if (!read_proof(a, json_get(root, STR("proof")), &out->proof))
		return verdict_no(v, "receipt-form", "\"proof\" is not a list of base64 hashes");
	return true;
}

/* SHA-256(salt, value) is what the leaf holds under the same name. */
static bool check_opening(const struct leaf *l, const struct json *opening, struct verdict *v)
{
	unsigned char hash[SHA256_BYTES];
	char all[SALT_BYTES + VALUE_BYTES_MAX], hex[2 * SHA256_BYTES];
	struct str name = json_key(opening), value = json_get_str(opening, "value");
	if (!id_unhex(json_get_str(opening, "salt"), all, SALT_BYTES) || !value.p || value.n > VALUE_BYTES_MAX)
		return verdict_no(v, "receipt-form", "an opening lacks its salt or value");
	memcpy(all + SALT_BYTES, value.p, value.n);
	sha256(str_span(all, SALT_BYTES + value.n), hash);
	id_hex(hash, SHA256_BYTES, hex);
	const struct json *commitment = l->commitments ? json_get(l->commitments, name) : NULL;
	struct str held = commitment ? json_string(commitment) : STR_NONE;
	if (held.p && str_eq(held, str_span(hex, sizeof hex))) return true;
	return verdict_no(v, "commitment", "the leaf does not commit to this value of %.*s", STR_FMT(name));
}

static bool check_openings(const struct leaf *l, const struct json *openings, struct verdict *v)
{
	if (!openings) return true;
	if (json_type(openings) != JSON_OBJECT) return verdict_no(v, "receipt-form", "\"openings\" is not an object");
	for (const struct json *o = json_first(openings); o; o = json_next(o))
		if (!check_opening(l, o, v)) return false;
	return true;
}

static bool check(struct arena *a, const struct trust *t, struct str text, struct verdict *v)
{
	struct receipt r;
	struct checkpoint c;
	struct leaf l;
	struct merkle_hash hash;
	const char *why;
	if (!read_receipt(a, text, &r, v)) return false;
	if (!checkpoint_open(a, t, r.checkpoint, "the receipt's checkpoint", &c, v)) return false;
	if (r.index >= c.size)
		return verdict_no(v, "inclusion", "place %llu is past the checkpoint's %llu leaves",
		    (unsigned long long)r.index, (unsigned long long)c.size);
	merkle_leaf(r.leaf, &hash);
	if (!merkle_includes(&r.proof, r.index, &hash, c.size, &c.root))
		return verdict_no(v, "inclusion", "this leaf is not the one at place %llu of the signed log",
		    (unsigned long long)r.index);
	if (!leaf_read(a, r.leaf, &l, &why)) return verdict_no(v, "leaf-form", "the leaf is logged, but %s", why);
	if (!check_openings(&l, r.openings, v)) return false;
	return verdict_yes(v, "%.*s of %.*s is leaf %llu of the %llu that %.*s has signed", STR_FMT(l.type),
	    STR_FMT(l.subject), (unsigned long long)r.index, (unsigned long long)c.size, STR_FMT(c.origin));
}

bool verify_receipt(const struct trust *t, struct str receipt, struct verdict *v)
{
	struct arena a;
	arena_init(&a, 64 << 10, receipt_arena_bytes);
	bool ok = check(&a, t, receipt, v);
	arena_release(&a);
	return ok;
}
