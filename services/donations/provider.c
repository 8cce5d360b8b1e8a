/* Calls to WeChat Pay: every request signed, every reply verified before it is believed. */
#include "services/donations/provider.h"

#include "common/core/clock.h"
#include "common/core/id.h"
#include "common/core/log.h"
#include "services/donations/donations.h"

enum { SIGNING_BYTES_MAX = 16 * 1024, REST_WAITED_MS_MAX = 5000 };

static void sign(void *arg) /* in a thread of the pool */
{
	struct signing *s = arg;
	s->err = key_sign(&s->arena, s->key, s->text, &s->signature);
}

static void signing_release(void *arg)
{
	struct signing *s = arg;
	arena_release(&s->arena);
}

enum next signing_start(struct request *r, struct signing *s, struct str text)
{
	const struct donations *d = request_context(r);
	if (!text.p) return request_fail(r, ERR_MEMORY, NULL);
	if (s->key) { /* a second try: the release hook is there */
		arena_release(&s->arena);
	} else {
		arena_init(&s->arena, 1024, SIGNING_BYTES_MAX);
		arena_on_release(request_arena(r), signing_release, s);
	}
	s->key = d->pay.key;
	s->text = text;
	s->err = ERR_NONE;
	return request_work(r, sign, s);
}

enum next provider_turn(struct request *r)
{
	struct donations *d = request_context(r);
	int64_t now_ms = clock_mono_ms();
	if (pace_rest_left(&d->pace, now_ms) > REST_WAITED_MS_MAX) return NEXT_DONE; /* its next look comes anyway */
	int64_t wait_ms = pace_turn(&d->pace, now_ms);
	return wait_ms > 0 ? request_sleep(r, wait_ms) : NEXT_STEP;
}

bool provider_rests(struct request *r)
{
	const struct donations *d = request_context(r);
	return pace_rest_left(&d->pace, clock_mono_ms()) > 0;
}

enum next provider_sign(struct request *r, struct provider_call *c)
{
	unsigned char random[WECHAT_PAY_NONCE_BYTES / 2];
	char *nonce = arena_alloc(request_arena(r), WECHAT_PAY_NONCE_BYTES);
	if (!nonce) return request_fail(r, ERR_MEMORY, NULL);
	id_random(random, sizeof random);
	id_hex(random, sizeof random, nonce);
	c->nonce = str_span(nonce, WECHAT_PAY_NONCE_BYTES);
	c->signed_at_s = clock_wall_s();
	c->result = PROVIDER_NONE;
	return signing_start(r, &c->signing,
	    wechat_pay_request_text(request_arena(r), c->method, c->target, c->signed_at_s, c->nonce, c->body));
}

enum next provider_send(struct request *r, struct provider_call *c)
{
	const struct donations *d = request_context(r);
	struct arena *a = request_arena(r);
	if (c->signing.err != ERR_NONE) return request_fail(r, c->signing.err, NULL);
	const struct http_field fields[] = {
		{ STR("Authorization"),
		    wechat_pay_authorization(a, &d->pay, c->signed_at_s, c->nonce, c->signing.signature) },
		{ STR("Accept"), STR("application/json") }, { STR("Content-Type"), STR("application/json") },
		{ STR("User-Agent"), STR("yangguang-donations") },
		{ STR("Wechatpay-Serial"), d->pay.keys[0].serial }, /* asks for a reply signed with this key */
	};
	struct fetch f = { .method = c->method,
		.url = arena_printf(a, "%.*s%.*s", STR_FMT(d->pay.base_url), STR_FMT(c->target)),
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.body = c->body,
		.timeout_ms = c->timeout_ms };
	if (!f.url.p || a->overflow) return request_fail(r, ERR_MEMORY, NULL);
	return request_fetch(r, &f);
}

static bool reply_verified(struct request *r, const struct reply *reply)
{
	const struct donations *d = request_context(r);
	struct wechat_pay_signature s = {
		.timestamp = http_get(reply->fields, STR("wechatpay-timestamp")),
		.nonce = http_get(reply->fields, STR("wechatpay-nonce")),
		.serial = http_get(reply->fields, STR("wechatpay-serial")),
		.signature = http_get(reply->fields, STR("wechatpay-signature")),
	};
	return wechat_pay_verify(request_arena(r), &d->pay, &s, reply->body, clock_wall_s());
}

static void note_failure(const struct provider_call *c, const struct reply *reply, const char *why)
{
	if (!log_wants(LOG_WARN)) return;
	log_begin(LOG_WARN, "wechat pay");
	log_str("method", str_of(c->method));
	log_str("why", str_of(why));
	log_int("status", reply->status);
	log_str("code", c->code);
	log_end();
}

enum next provider_read(struct request *r, struct provider_call *c)
{
	const struct reply *reply = request_reply(r);
	struct donations *d = request_context(r);
	struct json_error error;
	c->transport = reply->err;
	c->result = PROVIDER_FAILED;
	c->code = STR("");
	c->reply = NULL;
	if (reply->err != ERR_NONE) {
		note_failure(c, reply, err_info(reply->err)->name);
		return NEXT_STEP;
	}
	if (reply->status < 200 || reply->status > 299) {
		c->code = wechat_pay_error_code(request_arena(r), reply->body);
		if (reply->status == 429) pace_limited(&d->pace, clock_mono_ms());
		if (reply->status >= 400 && reply->status < 500 && reply->status != 429) c->result = PROVIDER_REFUSED;
		note_failure(c, reply, "refused");
		return NEXT_STEP;
	}
	if (!reply_verified(r, reply)) {
		note_failure(c, reply, "reply is not signed by WeChat");
		return NEXT_STEP;
	}
	if (reply->body.n && json_read(request_arena(r), reply->body, JSON_DEPTH_MAX, &c->reply, &error) != ERR_NONE) {
		note_failure(c, reply, "reply is not JSON");
		return NEXT_STEP;
	}
	pace_taken(&d->pace, clock_mono_ms());
	c->result = PROVIDER_OK;
	return NEXT_STEP;
}
