/*
 * Witnesses (C2SP tlog-witness): each is shown the newest checkpoint with the proof that it continues the one that it cosigned last, and
 * gives a line that says so. Nobody waits for them: a witness that is away, slow or wrong costs its line only. One that has seen more
 * than we have is an alarm.
 */
#include "services/transparency/transparency.h"

#include "common/core/log.h"

enum { ASK_MS = 5000, WITNESS_DEPTH = 4, REQUEST_BYTES_MAX = 2 * NOTE_BYTES_MAX, ANSWER_BYTES_MAX = 8192 };

enum next witness_load(struct request *r)
{
	struct transparency *t = request_context(r);
	struct witness_state *state = request_state(r);
	if (t->witness_count == 0) return NEXT_DONE;
	state->witness = &t->witnesses[t->witness_next++ % t->witness_count];
	request_set(r, "flow.witness", state->witness->key.name);
	if (state->witness->seen >= 0) request_set_i64(r, "flow.old", state->witness->seen);
	return request_query(r, "witness_load");
}

/* Its body: the size that the witness knows, the proof, the note. */
static bool put_request(struct request *r, struct buf *out, uint64_t old, uint64_t size, struct str note)
{
	struct arena *a = request_arena(r);
	struct tiles tiles = { .a = a };
	struct merkle_proof proof = { .count = 0 };
	if (json_read(a, request_column(r, 0, "tiles"), WITNESS_DEPTH, &tiles.list, NULL) != ERR_NONE) return false;
	if (old && merkle_prove_consistency(tiles_read, &tiles, old, size, &proof) != ERR_NONE) return false;
	buf_printf(out, "old %llu\n", (unsigned long long)old);
	for (unsigned i = 0; i < proof.count; i++) {
		buf_str(out, base64_encode(a, str_span((const char *)proof.item[i].bytes, SHA256_BYTES)));
		buf_char(out, '\n');
	}
	buf_char(out, '\n');
	buf_str(out, note);
	return buf_ok(out);
}

enum next witness_ask(struct request *r)
{
	struct witness_state *state = request_state(r);
	struct buf body;
	if (request_rows(r) == 0) return NEXT_DONE;
	int64_t old = request_column_i64(r, 0, "old", 0);
	state->size = request_column_i64(r, 0, "size", 0);
	state->note = request_column(r, 0, "note");
	if (old >= state->size) return NEXT_DONE;
	buf_init(&body, REQUEST_BYTES_MAX);
	bool good = put_request(r, &body, (uint64_t)old, (uint64_t)state->size, state->note);
	struct str url = arena_printf(request_arena(r), "%.*s/add-checkpoint", STR_FMT(state->witness->url));
	struct http_field type = { STR("Content-Type"), STR("text/plain; charset=utf-8") };
	struct fetch fetch = { .method = "POST", .url = url, .fields = &type, .field_count = 1, .timeout_ms = ASK_MS };
	fetch.body = arena_str(request_arena(r), buf_view(&body));
	buf_free(&body);
	if (!good) return request_fail(r, ERR_INTERNAL, NULL);
	return request_fetch(r, &fetch);
}

/* 409: the witness knows another size, and says which. */
static enum next other_size(struct request *r, struct str body)
{
	struct transparency *t = request_context(r);
	struct witness_state *state = request_state(r);
	int64_t size;
	if (!str_to_i64(str_trim(body), &size) || size < 0) return NEXT_DONE;
	*t->witness_ahead = size > state->size;
	if (size > state->size)
		log_line(LOG_ERROR, "a witness has seen more than the log has", "%.*s: %lld leaves, we have %lld",
		    STR_FMT(state->witness->key.name), (long long)size, (long long)state->size);
	else
		state->witness->seen = size;
	return NEXT_DONE;
}

/* The witness's own line of its answer, if it is right; the others are not asked for. */
static struct str right_line(struct request *r, struct str answer)
{
	const struct witness_state *state = request_state(r);
	struct str start = arena_printf(request_arena(r), "— %.*s ", STR_FMT(state->witness->key.name)), line;
	struct note note;
	while (str_cut(&answer, '\n', &line)) {
		if (!str_starts(line, start)) continue;
		struct str whole = arena_printf(request_arena(r), "%.*s%.*s\n", STR_FMT(state->note), STR_FMT(line));
		if (whole.p && note_read(request_arena(r), whole, &note) == ERR_NONE &&
		    note_check(&note, &state->witness->key, NULL) == NOTE_SIGNED)
			return arena_printf(request_arena(r), "%.*s\n", STR_FMT(line));
	}
	return STR_NONE;
}

enum next witness_read(struct request *r)
{
	const struct witness_state *state = request_state(r);
	const struct reply *reply = request_reply(r);
	if (reply->err == ERR_NONE && reply->status == 409) return other_size(r, reply->body);
	bool answered = reply->err == ERR_NONE && reply->status == 200 && reply->body.n <= ANSWER_BYTES_MAX;
	struct str line = answered ? right_line(r, reply->body) : STR_NONE;
	if (!line.p) {
		log_line(LOG_WARN, "a witness did not cosign", "%.*s: %s %d", STR_FMT(state->witness->key.name),
		    err_info(reply->err)->name, reply->status);
		return NEXT_DONE;
	}
	request_set(r, "flow.line", line);
	request_set_i64(r, "flow.size", state->size);
	return request_query(r, "witness_save");
}

enum next witness_saved(struct request *r)
{
	struct transparency *t = request_context(r);
	const struct witness_state *state = request_state(r);
	state->witness->seen = state->size;
	*t->witness_ahead = 0;
	return NEXT_DONE;
}
