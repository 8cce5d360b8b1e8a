/*
 * Receipts: each leaf of a gift's story with the proof that it is in the signed log. The database is asked for the leaves only; proofs
 * are put together from the tree in memory (table.c), which asks for tiles that it does not have. Every proof is verified from its
 * leaf to the signed root before it is given: what memory had of another log (a restored database) can make none that passes. Then
 * all is forgotten and read once more.
 */
#include "services/transparency/transparency.h"

#include "common/core/log.h"

enum { RECEIPTS_MAX = 512, TILES_DEPTH = 3, WANTED_BYTES_MAX = 1 << 20 };

/* One leaf on its way to the answer. */
struct receipt {
	uint64_t index;
	struct str leaf;
	struct merkle_proof proof;
	bool proved;
};

/* A tile that memory does not have: asked for, then come. */
struct wanted {
	unsigned level;
	uint64_t tile;
	struct str hex;
};

struct proof_work {
	struct table *table;
	struct arena *arena;
	struct wanted *wanted; /* `come` of them, in the order of level and tile */
	unsigned come;
	struct buf *missing; /* NULL: nothing more is asked for */
	uint64_t last_missing[TILE_LEVEL_MAX +
			      1]; /* of each level of tiles, plus 1: leaves come in order, and so do their tiles */
	bool incomplete;
};

enum next proof_leaves(struct request *r)
{
	return request_query(r, "gift_leaves");
}

static bool take_leaves(struct request *r, struct proof_state *state)
{
	state->count = request_rows(r) < RECEIPTS_MAX ? request_rows(r) : RECEIPTS_MAX;
	state->receipts = arena_array(request_arena(r), state->count, sizeof *state->receipts);
	if (!state->receipts) return false;
	for (unsigned i = 0; i < state->count; i++) {
		state->receipts[i].index = (uint64_t)request_column_i64(r, i, "index", 0);
		state->receipts[i].leaf = request_column(r, i, "leaf");
		state->receipts[i].proved = false;
	}
	state->size = request_column_i64(r, 0, "size", 0);
	state->mark = request_column(r, 0, "mark");
	return true;
}

enum next proof_edge(struct request *r)
{
	struct transparency *t = request_context(r);
	struct proof_state *state = request_state(r);
	if (!state->receipts) {
		if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
		if (!take_leaves(r, state)) return request_fail(r, ERR_MEMORY, NULL);
	}
	state->asked = !table_edge(&t->table, state->mark);
	if (!state->asked) return NEXT_STEP;
	request_set_i64(r, "flow.size", state->size);
	return request_query(r, "log_edge_load");
}

static enum err take_edge(struct request *r, const struct proof_state *state)
{
	struct transparency *t = request_context(r);
	const struct json *tiles;
	if (request_rows(r) == 0) return ERR_NOT_FOUND;
	TRY(json_read(request_arena(r), request_column(r, 0, "tiles"), TILES_DEPTH, &tiles, NULL));
	for (const struct json *v = json_first(tiles); v; v = json_next(v))
		if (!table_put(&t->table, (unsigned)json_get_i64(v, "level", -1), (uint64_t)json_get_i64(v, "tile", -1),
			json_get_str(v, "hashes")))
			return ERR_SYNTAX;
	return table_put_edge(
	    &t->table, request_arena(r), state->mark, (uint64_t)state->size, request_column(r, 0, "note"));
}

static void ask_for(struct proof_work *w, unsigned level, uint64_t tile)
{
	w->incomplete = true;
	if (!w->missing || w->last_missing[level] == tile + 1) return;
	w->last_missing[level] = tile + 1;
	buf_printf(w->missing, "%s[%u,%llu]", w->missing->n > 1 ? "," : "", level, (unsigned long long)tile);
}

/* A merkle_reader. What is missing is noted and the way goes on, so that all of it is known at once. */
static enum err read_node(void *work, unsigned level, uint64_t index, struct merkle_hash *out)
{
	struct proof_work *w = work;
	unsigned tile_level = level / TILE_HEIGHT;
	uint64_t tile = (index << level % TILE_HEIGHT) / TILE_WIDTH;
	const struct merkle_hash *node = table_node(w->table, level, index);
	for (unsigned i = 0; !node && i < w->come; i++)
		if (w->wanted[i].level == tile_level && w->wanted[i].tile == tile &&
		    table_put(w->table, tile_level, tile, w->wanted[i].hex))
			node = table_node(w->table, level, index);
	if (node)
		*out = *node;
	else
		ask_for(w, tile_level, tile);
	return ERR_NONE;
}

/* Makes the proofs that are not made yet. */
static enum err prove(struct proof_work *w, const struct edge *edge, struct proof_state *state, bool *all)
{
	*all = true;
	for (unsigned i = 0; i < state->count; i++) {
		struct receipt *item = &state->receipts[i];
		if (item->proved) continue;
		w->incomplete = false;
		TRY(merkle_edge_prove(&edge->tree, read_node, w, item->index, &item->proof));
		item->proved = !w->incomplete;
		*all = *all && item->proved;
	}
	return ERR_NONE;
}

enum next proof_tiles(struct request *r)
{
	struct transparency *t = request_context(r);
	struct proof_state *state = request_state(r);
	struct proof_work work = { .table = &t->table, .arena = request_arena(r) };
	struct buf missing;
	bool all = false;
	enum err e = state->asked ? take_edge(r, state) : ERR_NONE;
	state->asked = false;
	const struct edge *edge = e == ERR_NONE ? table_edge(&t->table, state->mark) : NULL;
	if (!edge) return NEXT_STEP; /* proof_answer sees that it is not there */
	buf_init(&missing, WANTED_BYTES_MAX);
	BUF_LIT(&missing, "[");
	work.missing = &missing;
	e = prove(&work, edge, state, &all);
	BUF_LIT(&missing, "]");
	if (e == ERR_NONE && !buf_ok(&missing)) e = ERR_MEMORY;
	if (e == ERR_NONE && !all) request_set(r, "flow.tiles", buf_view(&missing));
	buf_free(&missing);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	if (all) return NEXT_STEP;
	state->asked = true;
	request_set_i64(r, "flow.size", state->size);
	return request_query(r, "log_tiles_load");
}

static bool take_tiles(struct request *r, struct proof_work *work)
{
	unsigned count = request_rows(r);
	work->wanted = arena_array(work->arena, count, sizeof *work->wanted);
	if (!work->wanted) return false;
	for (unsigned i = 0; i < count; i++) {
		struct wanted *w = &work->wanted[work->come++];
		w->level = (unsigned)request_column_i64(r, i, "level", 0);
		w->tile = (uint64_t)request_column_i64(r, i, "tile", 0);
		w->hex = request_column(r, i, "hashes");
	}
	return true;
}

/* True when each leaf is where it should be in the tree that was signed. */
static bool verified(const struct proof_state *state, const struct edge *edge)
{
	for (unsigned i = 0; i < state->count; i++) {
		const struct receipt *item = &state->receipts[i];
		struct merkle_hash hash;
		merkle_leaf(item->leaf, &hash);
		if (!merkle_includes(&item->proof, item->index, &hash, edge->tree.size, &edge->tree.root)) return false;
	}
	return true;
}

static void put_receipt(struct request *r, struct json_writer *w, const struct receipt *item, const struct edge *edge)
{
	json_begin_object(w);
	json_put_member_i64(w, "v", 1);
	json_put_key(w, STR("leaf"));
	json_put_utf8(w, item->leaf);
	json_put_member_i64(w, "index", (int64_t)item->index);
	json_put_key(w, STR("checkpoint"));
	json_put_raw(w, edge->note);
	json_put_key(w, STR("proof"));
	json_begin_array(w);
	for (unsigned i = 0; i < item->proof.count; i++) {
		struct str bytes = str_span((const char *)item->proof.item[i].bytes, SHA256_BYTES);
		json_put_plain(w, base64_encode(request_arena(r), bytes));
	}
	json_end_array(w);
	json_end_object(w);
}

static enum next answer(struct request *r, const struct proof_state *state, const struct edge *edge)
{
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "public_code", request_value(r, "path.public_code"));
	json_put_member_i64(w, "log_size", state->size);
	json_put_key(w, STR("items"));
	json_begin_array(w);
	for (unsigned i = 0; i < state->count; i++) put_receipt(r, w, &state->receipts[i], edge);
	json_end_array(w);
	json_end_object(w);
	return request_answer(r, 0);
}

/* Once more from the database, unless this was once more already. */
static enum next again(struct request *r, struct proof_state *state)
{
	struct transparency *t = request_context(r);
	table_forget(&t->table);
	for (unsigned i = 0; i < state->count; i++) state->receipts[i].proved = false;
	if (!state->again) {
		state->again = true;
		return NEXT_STEP;
	}
	log_line(LOG_ERROR, "leaves cannot be proved", "first %llu of %lld",
	    (unsigned long long)state->receipts[0].index, (long long)state->size);
	return request_fail(r, ERR_INTERNAL, NULL);
}

enum next proof_answer(struct request *r)
{
	struct transparency *t = request_context(r);
	struct proof_state *state = request_state(r);
	struct proof_work work = { .table = &t->table, .arena = request_arena(r) };
	bool all = false;
	if (state->asked && !take_tiles(r, &work)) return request_fail(r, ERR_MEMORY, NULL);
	const struct edge *edge = table_edge(&t->table, state->mark);
	if (!edge || prove(&work, edge, state, &all) != ERR_NONE || !all || !verified(state, edge))
		return again(r, state);
	return answer(r, state, edge);
}
