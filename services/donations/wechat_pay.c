/* WeChat Pay APIv3: what is signed, how it is checked, how a callback is opened. The bytes that arrived are what counts: nothing is
 * parsed before its signature held, and nothing is written anew to be verified. */
#include "services/donations/wechat_pay.h"

struct str wechat_pay_request_text(
    struct arena *a, const char *method, struct str target, int64_t now_s, struct str nonce, struct str body)
{
	return arena_printf(a, "%s\n%.*s\n%lld\n%.*s\n%.*s\n", method, STR_FMT(target), (long long)now_s,
	    STR_FMT(nonce), (int)body.n, body.p ? body.p : "");
}

struct str wechat_pay_authorization(
    struct arena *a, const struct wechat_pay *p, int64_t now_s, struct str nonce, struct str signature)
{
	struct str encoded = base64_encode(a, signature);
	return arena_printf(a,
	    "WECHATPAY2-SHA256-RSA2048 "
	    "mchid=\"%.*s\",nonce_str=\"%.*s\",timestamp=\"%lld\",serial_no=\"%.*s\",signature=\"%.*s\"",
	    STR_FMT(p->mchid), STR_FMT(nonce), (long long)now_s, STR_FMT(p->serial), STR_FMT(encoded));
}

struct str wechat_pay_client_text(
    struct arena *a, struct str appid, struct str timestamp, struct str nonce, struct str prepay_id)
{
	return arena_printf(a, "%.*s\n%.*s\n%.*s\nprepay_id=%.*s\n", STR_FMT(appid), STR_FMT(timestamp), STR_FMT(nonce),
	    STR_FMT(prepay_id));
}

static const struct key *key_of(const struct wechat_pay *p, struct str serial)
{
	for (unsigned i = 0; i < p->key_count; i++)
		if (str_eq(p->keys[i].serial, serial)) return p->keys[i].key;
	return NULL;
}

/* The signed text is made by lines: none of the parts may hold one. */
static bool is_token(struct str s, size_t bytes_max)
{
	if (s.n == 0 || s.n > bytes_max) return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e) return false;
	return true;
}

bool wechat_pay_verify(
    struct arena *a, const struct wechat_pay *p, const struct wechat_pay_signature *s, struct str body, int64_t now_s)
{
	int64_t at;
	struct str signature;
	if (!is_token(s->timestamp, 20) || !is_token(s->nonce, 128) || !is_token(s->serial, 128) ||
	    !is_token(s->signature, 1024))
		return false;
	if (!str_to_i64(s->timestamp, &at) || at <= now_s - WECHAT_PAY_SKEW_S || at >= now_s + WECHAT_PAY_SKEW_S)
		return false;
	const struct key *key = key_of(p, s->serial);
	if (!key || base64_decode(a, s->signature, &signature) != ERR_NONE) return false;
	struct str text = arena_printf(
	    a, "%.*s\n%.*s\n%.*s\n", STR_FMT(s->timestamp), STR_FMT(s->nonce), (int)body.n, body.p ? body.p : "");
	return text.p && body.n <= INT32_MAX && text.n == s->timestamp.n + s->nonce.n + body.n + 3 &&
	       key_verify(key, text, signature) == ERR_NONE;
}

enum { CIPHER_BYTES_MAX = WECHAT_PAY_BODY_BYTES_MAX, GCM_AAD_BYTES_MAX = 64 };

static enum err open_resource(
    struct arena *a, struct str apiv3_key, const struct json *resource, const struct json **out)
{
	struct json_error error;
	struct str cipher, nonce = json_get_str(resource, "nonce"), aad = json_get_str(resource, "associated_data");
	struct str text = json_get_str(resource, "ciphertext");
	if (!str_eq(json_get_str(resource, "algorithm"), STR("AEAD_AES_256_GCM")) || nonce.n != GCM_NONCE_BYTES ||
	    !text.p || aad.n > GCM_AAD_BYTES_MAX)
		return ERR_SYNTAX;
	if (base64_decode(a, text, &cipher) != ERR_NONE || cipher.n <= GCM_TAG_BYTES || cipher.n > CIPHER_BYTES_MAX)
		return ERR_SYNTAX;
	unsigned char *plain = arena_alloc(a, cipher.n);
	if (!plain) return ERR_MEMORY;
	TRY(aes_gcm_open(apiv3_key, nonce, aad.p ? aad : STR(""), cipher, plain));
	return json_read(a, str_span((const char *)plain, cipher.n - GCM_TAG_BYTES), JSON_DEPTH_MAX, out, &error);
}

enum err wechat_pay_open_event(struct arena *a, struct str apiv3_key, struct str body, struct wechat_pay_event *out)
{
	struct json_error error;
	const struct json *event;
	*out = (struct wechat_pay_event){ .resource = NULL };
	TRY(json_read(a, body, JSON_DEPTH_MAX, &event, &error));
	out->id = json_get_str(event, "id");
	out->type = json_get_str(event, "event_type");
	const struct json *resource = json_get(event, STR("resource"));
	if (!is_token(out->id, 64) || !is_token(out->type, 64) || !resource) return ERR_SYNTAX;
	struct str kind = json_get_str(resource, "original_type");
	out->is_refund = str_eq(kind, STR("refund"));
	if (!out->is_refund && !str_eq(kind, STR("transaction"))) return ERR_NONE;
	return open_resource(a, apiv3_key, resource, &out->resource);
}
