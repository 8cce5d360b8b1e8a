/* Receipts: each leaf of a gift's story with the proof that it is in the signed log. One look at the database; every proof is tried before it is given. */
#include "services/transparency/transparency.h"

#include "common/core/id.h"
#include "common/core/log.h"

enum { PROOF_DEPTH = 4 };

struct tiles {
	const struct json *list;
	struct arena *a;
};

enum next proof_load(struct request *r)
{
	return request_query(r, "gift_proof_load");
}

/* A merkle_reader over the tiles that came with the leaves. */
static enum err read_node(void *context, unsigned level, uint64_t index, struct merkle_hash *out)
{
	const struct tiles *t = context;
	unsigned height = level % TILE_HEIGHT;
	uint64_t start = index << height;
	for (const struct json *v = json_first(t->list); v; v = json_next(v)) {
		if (json_get_i64(v, "level", -1) != level / TILE_HEIGHT ||
		    (uint64_t)json_get_i64(v, "tile", -1) != start / TILE_WIDTH)
			continue;
		struct str hex = json_get_str(v, "hashes");
		size_t from = (start % TILE_WIDTH) * 2 * SHA256_BYTES, n = ((size_t)2 * SHA256_BYTES) << height;
		char *bytes = arena_alloc(t->a, n / 2);
		if (!bytes) return ERR_MEMORY;
		if (from + n > hex.n || !id_unhex(str_span(hex.p + from, n), bytes, n / 2)) return ERR_NOT_FOUND;
		tile_fold(str_span(bytes, n / 2), 0, 1u << height, out);
		return ERR_NONE;
	}
	return ERR_NOT_FOUND;
}

static void put_receipt(struct request *r, const struct json *leaf, struct str note, const struct merkle_proof *proof)
{
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_i64(w, "v", 1);
	json_put_member_str(w, "leaf", json_get_str(leaf, "leaf"));
	json_put_member_i64(w, "index", json_get_i64(leaf, "index", 0));
	json_put_member_str(w, "checkpoint", note);
	json_put_key(w, STR("proof"));
	json_begin_array(w);
	for (unsigned i = 0; i < proof->count; i++)
		json_put_str(w,
		    base64_encode(request_arena(r), str_span((const char *)proof->item[i].bytes, SHA256_BYTES)));
	json_end_array(w);
	json_end_object(w);
}

enum next proof_answer(struct request *r)
{
	struct arena *a = request_arena(r);
	struct tiles tiles = { .a = a };
	const struct json *leaves;
	struct merkle_hash root, hash;
	struct merkle_proof proof;
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	uint64_t size = (uint64_t)request_column_i64(r, 0, "size", 0);
	struct str note = request_column(r, 0, "note");
	if (json_read(a, request_column(r, 0, "leaves"), PROOF_DEPTH, &leaves, NULL) != ERR_NONE ||
	    json_read(a, request_column(r, 0, "tiles"), PROOF_DEPTH, &tiles.list, NULL) != ERR_NONE ||
	    merkle_root_at(read_node, &tiles, size, &root) != ERR_NONE)
		return request_fail(r, ERR_INTERNAL, NULL);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "public_code", request_value(r, "path.public_code"));
	json_put_member_i64(w, "log_size", (int64_t)size);
	json_put_key(w, STR("items"));
	json_begin_array(w);
	for (const struct json *v = json_first(leaves); v; v = json_next(v)) {
		uint64_t index = (uint64_t)json_get_i64(v, "index", 0);
		merkle_leaf(json_get_str(v, "leaf"), &hash);
		if (merkle_prove_inclusion(read_node, &tiles, index, size, &proof) != ERR_NONE ||
		    !merkle_includes(&proof, index, &hash, size, &root)) {
			log_line(LOG_ERROR, "a leaf cannot be proved", "%llu of %llu", (unsigned long long)index,
			    (unsigned long long)size);
			return request_fail(r, ERR_INTERNAL, NULL);
		}
		put_receipt(r, v, note, &proof);
	}
	json_end_array(w);
	json_end_object(w);
	return request_answer(r, 0);
}
