/* A gift and how to pay it. The gift, its order and the claim of the Idempotency-Key are committed together before WeChat hears of
 * anything; whatever breaks later, a repeated key finds the order and goes on. WeChat knows one order per number, so asking it twice
 * is harmless. */
#include "services/donations/donations.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "services/donations/rules.h"

enum { ORDER_TIMEOUT_MS = 4000, NONCE_BYTES = 32, SALT_BYTES = 16 };

static const char json_type_name[] = "application/json";

static struct str text_member(const struct json *body, const char *name)
{
	struct str s = json_get_str(body, name);
	return s.n ? s : STR_NONE;
}

/* What the leaf will say of the name. The salt is the donor's, to show whom he wants. */
void give_commit_to(struct request *r, struct str name)
{
	unsigned char salt[SALT_BYTES], digest[SHA256_BYTES];
	char salt_text[2 * SALT_BYTES + 1], text[2 * SHA256_BYTES + 1];
	char *salted = arena_alloc(request_arena(r), SALT_BYTES + name.n);
	if (!salted) return; /* the arena is full: the request fails at its query */
	crypto_random(salt, sizeof salt);
	memcpy(salted, salt, sizeof salt);
	memcpy(salted + sizeof salt, name.p, name.n);
	sha256(str_span(salted, sizeof salt + name.n), digest);
	crypto_wipe(salted, sizeof salt + name.n);
	id_hex(salt, sizeof salt, salt_text);
	id_hex(digest, sizeof digest, text);
	request_set(r, "flow.salt", arena_printf(request_arena(r), "\\x%.*s", 2 * SALT_BYTES, salt_text));
	request_set(r, "flow.commitment", str_span(text, sizeof text - 1));
}

enum next give_check(struct request *r)
{
	struct give_state *g = request_state(r);
	const struct json *body = request_body(r);
	struct gift_names names = { text_member(body, "disclosure"), text_member(body, "alias"),
		text_member(body, "real_name") };
	struct str shown;
	const char *problem = rules_shown_name(request_arena(r), &names, &shown);
	if (problem) return request_refuse(r, problem, NULL);
	request_set(r, "flow.shown_name", shown);
	if (names.real_name.p) {
		enum err e = request_seal(r, "flow.real_name", STR("donations.gift.real_name"), names.real_name);
		if (e != ERR_NONE) return request_fail(r, e, NULL);
		give_commit_to(r, names.real_name);
	}
	g->creating = true;
	return NEXT_STEP;
}

enum next give_insert(struct request *r)
{
	return request_query(r, "gift_create"); /* a "!problem" ends the request here */
}

static void read_order(struct request *r, struct give_state *g)
{
	g->id = request_column(r, 0, "id");
	g->out_trade_no = request_column(r, 0, "out_trade_no");
	g->campaign_id = request_column(r, 0, "campaign_id");
	g->amount_fen = request_column_i64(r, 0, "amount_fen", 0);
	g->channel = request_column(r, 0, "channel");
	g->title = request_column(r, 0, "title");
	g->created_at = request_column(r, 0, "created_at");
	g->expires_at = request_column(r, 0, "expires_at");
}

static enum next answer_with(struct request *r, struct str id, struct str answer)
{
	request_add_header(r, STR("Location"), arena_printf(request_arena(r), "/v1/me/gifts/%.*s", STR_FMT(id)));
	return request_answer_raw(r, 0, str_of(json_type_name), answer);
}

enum next give_inserted(struct request *r)
{
	struct give_state *g = request_state(r);
	struct str answer = request_column(r, 0, "answer");
	if (!str_eq(request_column(r, 0, "claimed"), STR("t"))) return request_query(r, "gift_claimed");
	read_order(r, g);
	return answer.p ? answer_with(r, g->id, answer) : NEXT_STEP;
}

/* An order that was found again: may it still be paid? */
static enum next take_up(struct request *r, struct give_state *g)
{
	struct str state = request_column(r, 0, "state");
	read_order(r, g);
	if (!str_eq(g->channel, STR("WECHAT_JSAPI"))) return request_refuse(r, "gift-not-by-wechat", NULL);
	if ((!str_eq(state, STR("CREATED")) && !str_eq(state, STR("ORDERED"))) ||
	    str_eq(request_column(r, 0, "expired"), STR("t")))
		return request_refuse(r, "gift-not-payable", "%.*s", STR_FMT(state));
	g->prepay_id = request_column(r, 0, "prepay_id");
	return NEXT_STEP;
}

enum next give_resume(struct request *r)
{
	struct give_state *g = request_state(r);
	if (g->id.p) return NEXT_STEP; /* claimed just now */
	if (request_rows(r) == 0)
		return request_fail(r, ERR_RETRY, NULL); /* the other request's transaction vanished */
	if (!str_eq(request_column(r, 0, "same"), STR("t"))) return request_fail(r, ERR_IDEMPOTENCY_KEY_REUSED, NULL);
	struct str answer = request_column(r, 0, "answer");
	if (!answer.p) return take_up(r, g);
	request_mark_replayed(r);
	return answer_with(r, request_column(r, 0, "id"), answer);
}

enum next give_load(struct request *r)
{
	return request_query(r, "gift_payment_order");
}

enum next give_loaded(struct request *r)
{
	if (request_rows(r) == 0) return request_fail(r, ERR_NOT_FOUND, NULL);
	return take_up(r, request_state(r));
}

/* ── who pays: WeChat wants the openid, which only identity knows ── */

enum next give_find_payer(struct request *r)
{
	struct give_state *g = request_state(r);
	struct donations *d = request_context(r);
	struct str subject = request_principal(r)->subject;
	if (g->prepay_id.p) return NEXT_STEP;
	const struct openid *known = lru_get(&d->openids, subject);
	if (known) {
		g->openid = arena_str(request_arena(r), str_span(known->text, known->bytes));
		return NEXT_STEP;
	}
	struct str path = arena_printf(
	    request_arena(r), "/internal/citizens/%.*s/openid?appid=%.*s", STR_FMT(subject), STR_FMT(d->pay.appid));
	return request_call(r, "identity", "GET", path, STR_NONE, true);
}

enum next give_payer_found(struct request *r)
{
	struct give_state *g = request_state(r);
	struct donations *d = request_context(r);
	const struct reply *reply = request_reply(r);
	const struct json *v = NULL;
	struct json_error error;
	if (g->prepay_id.p || g->openid.p) return NEXT_STEP;
	if (reply->err != ERR_NONE) return request_fail(r, reply->err, "identity");
	if (reply->status == 404) return request_refuse(r, "payer-unknown", NULL);
	if (reply->status != 200 || json_read(request_arena(r), reply->body, JSON_DEPTH_MAX, &v, &error) != ERR_NONE)
		return request_fail(r, ERR_BAD_UPSTREAM, "identity: %d", reply->status);
	g->openid = json_get_str(v, "openid");
	if (g->openid.n == 0 || g->openid.n > OPENID_BYTES_MAX)
		return request_fail(r, ERR_BAD_UPSTREAM, "identity: openid");
	struct openid *slot = lru_put(&d->openids, request_principal(r)->subject);
	if (slot) {
		slot->bytes = (unsigned char)g->openid.n;
		memcpy(slot->text, g->openid.p, g->openid.n);
	}
	return NEXT_STEP;
}

/* ── the order at WeChat ── */

enum next give_sign(struct request *r)
{
	struct give_state *g = request_state(r);
	const struct donations *d = request_context(r);
	if (g->prepay_id.p) return NEXT_STEP;
	struct wechat_pay_order order = { .description =
					      arena_printf(request_arena(r), "捐赠：%.*s", STR_FMT(g->title)),
		.out_trade_no = g->out_trade_no,
		.openid = g->openid,
		.expires_at = g->expires_at,
		.total_fen = g->amount_fen };
	g->call = (struct provider_call){ .method = "POST",
		.target = STR("/v3/pay/transactions/jsapi"),
		.body = wechat_pay_order_body(request_arena(r), &d->pay, &order),
		.timeout_ms = ORDER_TIMEOUT_MS };
	return provider_sign(r, &g->call);
}

enum next give_send(struct request *r)
{
	struct give_state *g = request_state(r);
	return g->prepay_id.p ? NEXT_STEP : provider_send(r, &g->call);
}

enum next give_read(struct request *r)
{
	struct give_state *g = request_state(r);
	return g->prepay_id.p ? NEXT_STEP : provider_read(r, &g->call);
}

static bool settled_with_provider(const struct give_state *g)
{
	return g->prepay_id.p || g->call.result != PROVIDER_FAILED;
}

enum next give_sign_again(struct request *r)
{
	struct give_state *g = request_state(r);
	return settled_with_provider(g) ? NEXT_STEP : provider_sign(r, &g->call); /* result becomes NONE */
}

enum next give_send_again(struct request *r)
{
	struct give_state *g = request_state(r);
	return g->prepay_id.p || g->call.result != PROVIDER_NONE ? NEXT_STEP : provider_send(r, &g->call);
}

enum next give_read_again(struct request *r)
{
	struct give_state *g = request_state(r);
	if (g->prepay_id.p) return NEXT_STEP;
	if (g->call.result == PROVIDER_NONE) provider_read(r, &g->call);
	if (g->call.result == PROVIDER_FAILED && g->call.transport == ERR_TIMEOUT)
		return request_fail(r, ERR_TIMEOUT, NULL);
	if (g->call.result == PROVIDER_OK) g->prepay_id = json_get_str(g->call.reply, "prepay_id");
	/* "Already paid": the callback or the query settles it. */
	if (g->call.result == PROVIDER_REFUSED && str_eq(g->call.code, STR("ORDERPAID")))
		return request_refuse(r, "gift-not-payable", "PAID");
	if (g->prepay_id.n == 0 || g->prepay_id.n > 64)
		return request_fail(r, ERR_PROVIDER_ERROR, "%.*s", STR_FMT(g->call.code));
	return NEXT_STEP;
}

/* ── what the mini-program needs ── */

enum next give_sign_client(struct request *r)
{
	struct give_state *g = request_state(r);
	const struct donations *d = request_context(r);
	struct arena *a = request_arena(r);
	unsigned char random[NONCE_BYTES / 2];
	char *nonce = arena_alloc(a, NONCE_BYTES);
	if (!nonce) return request_fail(r, ERR_MEMORY, NULL);
	id_random(random, sizeof random);
	id_hex(random, sizeof random, nonce);
	g->nonce = str_span(nonce, NONCE_BYTES);
	g->timestamp = arena_printf(a, "%lld", (long long)clock_wall_s());
	return signing_start(
	    r, &g->client, wechat_pay_client_text(a, d->pay.appid, g->timestamp, g->nonce, g->prepay_id));
}

static struct str answer_text(struct request *r, const struct give_state *g)
{
	struct arena *a = request_arena(r);
	struct json_writer *w = request_writer(r);
	json_begin_object(w);
	json_put_member_str(w, "id", g->id);
	json_put_member_str(w, "public_code", g->out_trade_no);
	json_put_member_str(w, "out_trade_no", g->out_trade_no);
	json_put_member_str(w, "campaign_id", g->campaign_id);
	json_put_member_i64(w, "amount_fen", g->amount_fen);
	json_put_member_str(w, "channel", g->channel);
	json_put_member_str(w, "state", STR("PENDING"));
	json_put_member_str(w, "created_at", g->created_at);
	json_put_member_str(w, "expires_at", g->expires_at);
	json_put_key(w, STR("payment"));
	json_begin_object(w);
	json_put_member_str(w, "timeStamp", g->timestamp);
	json_put_member_str(w, "nonceStr", g->nonce);
	json_put_member_str(w, "package", arena_printf(a, "prepay_id=%.*s", STR_FMT(g->prepay_id)));
	json_put_member_str(w, "signType", STR("RSA"));
	json_put_member_str(w, "paySign", base64_encode(a, g->client.signature));
	json_end_object(w);
	json_end_object(w);
	return buf_ok(w->out) ? arena_str(a, buf_view(w->out)) : STR_NONE;
}

enum next give_save(struct request *r)
{
	struct give_state *g = request_state(r);
	if (g->client.err != ERR_NONE) return request_fail(r, g->client.err, NULL);
	g->answer = answer_text(r, g);
	if (!g->answer.p) return request_fail(r, ERR_MEMORY, NULL);
	request_set(r, "flow.out_trade_no", g->out_trade_no);
	request_set(r, "flow.prepay_id", g->prepay_id);
	request_set(r, "flow.answer", g->answer);
	return request_query(r, g->creating ? "gift_answer_save" : "order_placed");
}

enum next give_answer(struct request *r)
{
	struct give_state *g = request_state(r);
	struct str state = request_column(r, 0, "state");
	if (!str_eq(state, STR("ORDERED"))) return request_refuse(r, "gift-not-payable", "%.*s", STR_FMT(state));
	if (g->creating) {
		struct str saved = request_column(r, 0, "answer");
		if (saved.p && !str_eq(saved, g->answer)) request_mark_replayed(r);
		return answer_with(r, g->id, saved.p ? saved : g->answer);
	}
	return request_answer_raw(r, 0, str_of(json_type_name), g->answer);
}
