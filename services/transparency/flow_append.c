/*
 * The sequencer: leaves that wait get their places, the tree grows, and its new root is signed, every second when there is something
 * new. All of it is one transaction (log_append.sql) under the log's row: of several processes one wins, the others begin again, and
 * what they have signed meanwhile has never left them. Before anything is signed the stored tree must have the root that was signed
 * last, and the new tree must be proved to continue that one.
 */
#include "services/transparency/transparency.h"

#include "common/core/id.h"
#include "common/core/log.h"

enum { SLICE_LEAVES = 2048 /* `limit` of log_load.sql */, PAUSE_MS = 1000, NODES_BYTES_MAX = 1 << 20, DEPTH = 4 };

enum next append_load(struct request *r)
{
	return request_query(r, "log_load");
}

/* What was signed last, from the note itself. */
static bool signed_last(struct request *r, uint64_t size, struct checkpoint *out)
{
	struct transparency *t = request_context(r);
	struct str text = request_column(r, 0, "note");
	struct note note;
	if (!text.p) return false;
	if (note_read(request_arena(r), text, &note) != ERR_NONE) return false;
	if (note_check(&note, &t->key, NULL) != NOTE_SIGNED || checkpoint_read(note.text, out) != ERR_NONE)
		return false;
	return str_eq(out->origin, t->key.name) && out->size == size;
}

static enum next disagree(struct request *r, const char *what)
{
	struct transparency *t = request_context(r);
	*t->disagreement = 1;
	log_line(LOG_ERROR, "the stored log is not the signed one", "%s: nothing is signed", what);
	return request_fail(r, ERR_INTERNAL, NULL);
}

static bool load_tiles(struct request *r, struct spans *spans)
{
	const struct json *tiles;
	if (json_read(request_arena(r), request_column(r, 0, "tiles"), DEPTH, &tiles, NULL) != ERR_NONE) return false;
	for (const struct json *v = json_first(tiles); v; v = json_next(v))
		if (!spans_fill(spans, (unsigned)json_get_i64(v, "level", -1), json_get_str(v, "hashes"))) return false;
	for (unsigned l = 0; l <= TILE_LEVEL_MAX; l++) /* a partial tile that did not come */
		if (spans->level[l].first + spans->level[l].count != spans->size >> (TILE_HEIGHT * l)) return false;
	return true;
}

/* Adds the leaves; their numbers become flow.seqs. */
static bool add_leaves(struct request *r, struct spans *spans, const struct json *pending)
{
	struct buf seqs;
	struct merkle_hash hash;
	bool good = true;
	buf_init(&seqs, NODES_BYTES_MAX);
	BUF_LIT(&seqs, "[");
	for (const struct json *v = json_first(pending); v && good; v = json_next(v)) {
		good = id_unhex(json_get_str(v, "hash"), hash.bytes, sizeof hash.bytes);
		if (good) spans_append(spans, &hash);
		buf_printf(&seqs, "%s%lld", seqs.n > 1 ? "," : "", (long long)json_get_i64(v, "seq", -1));
	}
	BUF_LIT(&seqs, "]");
	request_set(r, "flow.seqs", buf_view(&seqs));
	good = good && buf_ok(&seqs);
	buf_free(&seqs);
	return good;
}

/* The nodes that are new since the log had `before` leaves. */
static bool put_nodes(struct request *r, const struct spans *spans, uint64_t before)
{
	struct buf out;
	char hex[2 * SHA256_BYTES];
	buf_init(&out, NODES_BYTES_MAX);
	BUF_LIT(&out, "[");
	for (unsigned l = 1; l <= TILE_LEVEL_MAX; l++) {
		const struct span *at = &spans->level[l];
		for (uint64_t i = before >> (TILE_HEIGHT * l); i < at->first + at->count; i++) {
			id_hex(at->bytes + (i - at->first) * SHA256_BYTES, SHA256_BYTES, hex);
			buf_printf(&out, "%s{\"level\":%u,\"index\":%llu,\"hash\":\"%.*s\"}", out.n > 1 ? "," : "", l,
			    (unsigned long long)i, (int)sizeof hex, hex);
		}
	}
	BUF_LIT(&out, "]");
	request_set(r, "flow.nodes", buf_view(&out));
	bool good = buf_ok(&out);
	buf_free(&out);
	return good;
}

static enum err sign(struct request *r, uint64_t size, const struct merkle_hash *root)
{
	struct transparency *t = request_context(r);
	struct checkpoint c = { .origin = t->key.name, .size = size, .root = *root };
	struct buf text, line;
	char hex[2 * SHA256_BYTES];
	buf_init(&text, NOTE_BYTES_MAX);
	buf_init(&line, NOTE_BYTES_MAX);
	enum err e = checkpoint_write(&text, &c);
	if (e == ERR_NONE) e = note_sign(&line, buf_view(&text), &t->key, 0);
	buf_char(&text, '\n');
	buf_str(&text, buf_view(&line));
	if (e == ERR_NONE && !(buf_ok(&text) && buf_ok(&line))) e = ERR_MEMORY;
	request_set(r, "flow.note", buf_view(&text));
	id_hex(root->bytes, SHA256_BYTES, hex);
	request_set(r, "flow.root", str_span(hex, sizeof hex));
	buf_free(&text);
	buf_free(&line);
	return e;
}

/* Only once per log: its first checkpoint says that it is empty. */
static bool is_new(struct request *r, uint64_t size)
{
	return size == 0 && !request_column(r, 0, "note").p;
}

enum next append_sign(struct request *r)
{
	struct transparency *t = request_context(r);
	struct append_state *state = request_state(r);
	struct arena *a = request_arena(r);
	const struct json *pending;
	struct checkpoint last = { .size = 0 };
	struct merkle_hash stored, root;
	struct merkle_proof proof;
	struct spans spans;
	uint64_t size = (uint64_t)request_column_i64(r, 0, "size", 0);
	if (json_read(a, request_column(r, 0, "pending"), DEPTH, &pending, NULL) != ERR_NONE)
		return request_fail(r, ERR_INTERNAL, NULL);
	unsigned count = (unsigned)json_count(pending);
	bool first = is_new(r, size);
	if (!first && !signed_last(r, size, &last)) return disagree(r, "the last checkpoint is not ours");
	if (spans_init(&spans, a, size, count) != ERR_NONE) return request_fail(r, ERR_MEMORY, NULL);
	if (!load_tiles(r, &spans) || merkle_root_at(spans_read, &spans, size, &stored) != ERR_NONE)
		return disagree(r, "hashes are missing");
	if (first) last.root = stored; /* of nothing */
	if (!merkle_equal(&stored, &last.root)) return disagree(r, "another root");
	*t->disagreement = 0;
	if (count == 0 && !first) return NEXT_STEP;
	if (!add_leaves(r, &spans, pending) || !put_nodes(r, &spans, size)) return request_fail(r, ERR_INTERNAL, NULL);
	if (merkle_root_at(spans_read, &spans, size + count, &root) != ERR_NONE ||
	    merkle_prove_consistency(spans_read, &spans, size, size + count, &proof) != ERR_NONE ||
	    !merkle_extends(&proof, size, &last.root, size + count, &root))
		return disagree(r, "the new tree does not continue it");
	request_set_i64(r, "flow.size", (int64_t)size);
	enum err e = sign(r, size + count, &root);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	state->full = count == SLICE_LEAVES;
	return request_query(r, "log_append");
}

enum next append_watch(struct request *r)
{
	return request_query(r, "log_watch");
}

enum next append_show(struct request *r)
{
	struct transparency *t = request_context(r);
	int64_t waiting_ms = request_column_i64(r, 0, "waiting_ms", 0),
		delay_ms = request_column_i64(r, 0, "delay_ms", 0);
	*t->waiting = request_column_i64(r, 0, "waiting", 0);
	*t->merge_delay_s = ((waiting_ms > delay_ms ? waiting_ms : delay_ms) + 999) / 1000;
	*t->refused = request_column_i64(r, 0, "refused", 0);
	*t->size = request_column_i64(r, 0, "size", 0);
	return NEXT_STEP;
}

/* A full slice: there may be more. */
enum next append_rest(struct request *r)
{
	struct append_state *state = request_state(r);
	return state->full ? NEXT_DONE : request_sleep(r, PAUSE_MS);
}

enum next append_end(struct request *r)
{
	(void)r;
	return NEXT_DONE;
}
