/* Receipts: each leaf of a gift's story with the proof that it is in the signed log. One look at the database; every proof is tried before it is given. */
#include "services/transparency/transparency.h"

#include "common/core/log.h"

enum { PROOF_DEPTH = 4 };

enum next proof_load(struct request *r)
{
	return request_query(r, "gift_proof_load");
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
		json_put_str(
		    w, base64_encode(request_arena(r), str_span((const char *)proof->item[i].bytes, SHA256_BYTES)));
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
	    merkle_root_at(tiles_read, &tiles, size, &root) != ERR_NONE)
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
		if (merkle_prove_inclusion(tiles_read, &tiles, index, size, &proof) != ERR_NONE ||
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
