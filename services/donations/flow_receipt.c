/* Receipts and red letters on their way: asked for at the province's platform under their own number, as often as it takes (one number is
 * one receipt there). What it refuses for good fails, but only after it has said that it knows no such request: an earlier try may have
 * arrived without our hearing of it. Requests carry an HMAC, and so do the answers: nothing else is believed. */
#include "services/donations/donations.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/core/log.h"
#include "common/json/json_write.h"

enum {
	PLATFORM_TIMEOUT_MS = 8000,
	IDLE_MS = 1000,
	RECEIPTS_AT_ONCE = 4,
	NONCE_BYTES = 16,
	BODY_BYTES_MAX = 16 * 1024,
	CODE_BYTES_MAX = 64
};

enum next receipt_take(struct request *r)
{
	const struct donations *d = request_context(r);
	return d->receipts.base_url.n ? request_query(r, "receipt_take_due") : NEXT_STEP; /* no query, no rows */
}

enum next receipt_taken(struct request *r)
{
	return request_rows(r) ? request_each(r, &receipt_ask, RECEIPTS_AT_ONCE) : request_sleep(r, IDLE_MS);
}

/* ── one call ── */

/* In the hex of an HMAC; absent without memory. Pure: also called in the thread pool. */
static struct str mac(struct arena *a, struct str key, struct str text)
{
	unsigned char digest[SHA256_BYTES];
	char *hex = arena_alloc(a, 2 * SHA256_BYTES + 1);
	if (!hex || !text.p) return STR_NONE;
	hmac_sha256(key, text, digest);
	id_hex(digest, sizeof digest, hex);
	return str_span(hex, 2 * SHA256_BYTES);
}

enum next receipt_call(struct request *r, struct receipt_call *c)
{
	const struct donations *d = request_context(r);
	struct arena *a = request_arena(r);
	unsigned char random[NONCE_BYTES];
	id_random(random, sizeof random);
	id_hex(random, sizeof random, c->nonce);
	struct str now = arena_printf(a, "%lld", (long long)clock_wall_s());
	struct str signature = mac(a, d->receipts.key,
	    arena_printf(a, "%s\n%.*s\n%.*s\n%.*s\n%.*s", c->method, STR_FMT(c->target), STR_FMT(now), 2 * NONCE_BYTES,
		c->nonce, STR_FMT(c->body)));
	const struct http_field fields[] = {
		{ STR("Accept"), STR("application/json") },
		{ STR("Content-Type"), STR("application/json") },
		{ STR("User-Agent"), STR("yangguang-donations") },
		{ STR("X-Receipt-App"), d->receipts.app },
		{ STR("X-Receipt-Timestamp"), now },
		{ STR("X-Receipt-Nonce"), str_span(c->nonce, 2 * NONCE_BYTES) },
		{ STR("X-Receipt-Signature"), signature },
	};
	struct fetch f = { .method = c->method,
		.url = arena_printf(a, "%.*s%.*s", STR_FMT(d->receipts.base_url), STR_FMT(c->target)),
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.body = c->body,
		.timeout_ms = c->timeout_ms ? c->timeout_ms : PLATFORM_TIMEOUT_MS };
	if (!f.url.p || !signature.p || a->overflow) return request_fail(r, ERR_MEMORY, NULL);
	return request_fetch(r, &f);
}

/* 4xx with these codes will be answered so again and again. */
static bool for_good(struct str code)
{
	static const char *const codes[] = { "PAYER_INVALID", "AMOUNT_INVALID", "ITEM_UNKNOWN", "ORIGINAL_UNKNOWN",
		"ALREADY_REVERSED", "REQUEST_INVALID", "REQUEST_MISMATCH", "REQUEST_UNKNOWN" };
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (str_eq(code, str_of(codes[i]))) return true;
	return false;
}

bool receipt_signed(struct arena *a, struct str key, const struct receipt_call *c, const struct reply *reply)
{
	struct str text =
	    arena_printf(a, "%.*s\n%d\n%.*s", 2 * NONCE_BYTES, c->nonce, reply->status, STR_FMT(reply->body));
	struct str right = mac(a, key, text);
	return right.p && crypto_equal(http_get(reply->fields, STR("x-receipt-signature")), right);
}

/* What the platform said, when it is the platform that said it. */
static void read_reply(struct request *r, struct receipt_call *c)
{
	const struct reply *reply = request_reply(r);
	struct json_error error;
	c->good = c->refused = false;
	c->code = STR("no usable answer");
	if (reply->err != ERR_NONE) {
		c->code = str_of(err_info(reply->err)->name);
		return;
	}
	const struct donations *d = request_context(r);
	if (!receipt_signed(request_arena(r), d->receipts.key, c, reply)) {
		log_line(LOG_WARN, "receipt platform", "status %d, and the platform did not sign it", reply->status);
		return;
	}
	if (reply->body.n > BODY_BYTES_MAX ||
	    json_read(request_arena(r), reply->body, JSON_DEPTH_MAX, &c->reply, &error) != ERR_NONE)
		return;
	if (reply->status == 200) {
		c->good = true;
		return;
	}
	struct str code = json_get_str(c->reply, "code");
	if (code.p && code.n <= CODE_BYTES_MAX) c->code = code;
	c->refused = reply->status >= 400 && reply->status < 500 && for_good(c->code);
	log_line(LOG_WARN, "receipt platform", "status %d, %.*s", reply->status, STR_FMT(c->code));
}

/* ── one receipt or red letter ── */

static void put(struct request *r, struct json_writer *w, const char *member, const char *column)
{
	struct str value = request_column(r, 0, column);
	if (value.p) json_put_member_str(w, member, value);
}

static struct str body_of(struct request *r, const struct receipt_state *f, struct str title)
{
	struct json_writer w;
	struct buf out;
	buf_init(&out, BODY_BYTES_MAX);
	json_write_init(&w, &out);
	json_begin_object(&w);
	json_put_member_str(&w, "request_no", f->request_no);
	put(r, &w, "order_no", "public_code");
	if (f->reversal) {
		put(r, &w, "original_code", "original_code");
		put(r, &w, "original_number", "original_number");
		put(r, &w, "reason", "reason");
	} else {
		json_put_member_str(&w, "payer", title);
		put(r, &w, "payer_kind", "payer_kind");
		put(r, &w, "payer_uscc", "payer_uscc");
		put(r, &w, "item", "item");
		json_put_member_i64(&w, "amount_fen", request_column_i64(r, 0, "amount_fen", 0));
		put(r, &w, "amount_words", "amount_words");
	}
	json_end_object(&w);
	struct str body = buf_ok(&out) ? arena_str(request_arena(r), buf_view(&out)) : STR_NONE;
	buf_free(&out);
	return body;
}

static enum next fail(struct request *r, struct str code)
{
	request_set(r, "flow.error", code);
	return request_query(r, "receipt_fail");
}

static enum next note(struct request *r, struct str code)
{
	request_set(r, "flow.error", code);
	return request_query(r, "receipt_note_error");
}

enum next receipt_begin(struct request *r)
{
	struct receipt_state *f = request_state(r);
	struct str title;
	f->request_no = request_column(r, 0, "request_no");
	f->reversal = str_eq(request_column(r, 0, "kind"), STR("REVERSAL"));
	request_set(r, "flow.request_no", f->request_no);
	enum err e = mine_open(r, "title", str_of(receipt_title_context), &title);
	if (e != ERR_NONE) return request_fail(r, e, NULL);
	f->call.method = "POST";
	f->call.target = f->reversal ? STR("/v1/reversals") : STR("/v1/receipts");
	if (!f->reversal && !title.p) return NEXT_STEP; /* its key is gone */
	f->call.body = body_of(r, f, title);
	return f->call.body.p ? NEXT_STEP : request_fail(r, ERR_MEMORY, NULL);
}

static enum next look(struct request *r, struct receipt_state *f)
{
	f->look.method = "GET";
	f->look.target = arena_printf(request_arena(r), "/v1/requests/%.*s", STR_FMT(f->request_no));
	f->look.body = STR("");
	return receipt_call(r, &f->look);
}

enum next receipt_send(struct request *r)
{
	struct receipt_state *f = request_state(r);
	if (f->call.body.p) return receipt_call(r, &f->call);
	f->call.code =
	    STR("TITLE_DESTROYED"); /* its key is gone: nobody can ask any more, only see what an earlier try did */
	f->call.refused = true;
	return NEXT_STEP;
}

/* The number is written down; NEXT_STEP when the answer is not about this request. */
static enum next settle(struct request *r, const struct receipt_call *c)
{
	struct receipt_state *f = request_state(r);
	if (!c->good || !str_eq(json_get_str(c->reply, "request_no"), f->request_no) ||
	    !str_eq(json_get_str(c->reply, "kind"), f->reversal ? STR("REVERSAL") : STR("ISSUE")))
		return NEXT_STEP;
	request_set_i64(r, "flow.amount_fen", json_get_i64(c->reply, "amount_fen", 0));
	request_set(r, "flow.code", json_get_str(c->reply, "code"));
	request_set(r, "flow.number", json_get_str(c->reply, "number"));
	request_set(r, "flow.check_code", json_get_str(c->reply, "check_code"));
	request_set(r, "flow.at", json_get_str(c->reply, "issued_at"));
	return request_query(r, f->reversal ? "receipt_reversal_settle" : "receipt_settle");
}

enum next receipt_read(struct request *r)
{
	struct receipt_state *f = request_state(r);
	if (f->call.body.p) read_reply(r, &f->call);
	enum next next = settle(r, &f->call);
	if (next != NEXT_STEP) return next;
	if (!f->call.refused) return note(r, f->call.code);
	f->refusal = f->call.code;
	return look(r, f);
}

enum next receipt_read_look(struct request *r)
{
	struct receipt_state *f = request_state(r);
	if (!f->refusal.n) return NEXT_DONE;
	read_reply(r, &f->look);
	enum next next = settle(r, &f->look);
	if (next != NEXT_STEP) return next;
	return str_eq(f->look.code, STR("REQUEST_UNKNOWN")) ? fail(r, f->refusal) : note(r, f->refusal);
}
