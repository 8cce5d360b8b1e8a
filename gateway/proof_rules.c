/* What a partner's signature must cover and say. Pure: no key, no clock, no network. */
#include "gateway/proof.h"

#include "common/crypto/crypto.h"

void public_url_read(struct arena *a, struct str url, struct public_url *out)
{
	bool https = str_starts(url, STR("https:"));
	struct str rest = str_from(url, https ? 8 : 7), port = https ? STR(":443") : STR(":80");
	out->scheme = https ? STR("https") : STR("http");
	ptrdiff_t slash = str_index(rest, '/');
	struct str authority = slash < 0 ? rest : str_span(rest.p, (size_t)slash);
	out->path = slash < 0 ? STR("") : str_from(rest, (size_t)slash);
	while (out->path.n && out->path.p[out->path.n - 1] == '/') out->path.n--;
	if (str_ends(authority, port)) authority.n -= port.n;
	char *lower = arena_alloc(a, authority.n + 1);
	CHECK(lower != NULL);
	for (size_t i = 0; i < authority.n; i++)
		lower[i] =
		    authority.p[i] >= 'A' && authority.p[i] <= 'Z' ? (char)(authority.p[i] | 0x20) : authority.p[i];
	out->authority = str_span(lower, authority.n);
}

#define FAULT(text_en, text_zh)                                                                                        \
	(*fault = (struct proof_fault){ .en = (text_en), .zh = (text_zh) }, ERR_SIGNATURE_INVALID)

static enum err check_time(const struct message_signature *s, int64_t now_s, struct proof_fault *fault)
{
	if (!s->created) return FAULT("The signature must say when it was created.", "签名缺少 created 参数。");
	if (s->created < now_s - PROOF_WINDOW_S || s->created > now_s + PROOF_WINDOW_S)
		return FAULT("The signature was not created within five minutes of now; look at your clock.",
		    "签名时间与当前时间相差超过五分钟，请检查时钟。");
	if (s->expires && s->expires <= now_s) return FAULT("The signature has expired.", "签名已过期。");
	return ERR_NONE;
}

/* Whatever steers what the request means must be signed when it is there: nobody on the way may add it. */
static enum err check_coverage(
    const struct message_signature *s, struct http_fields fields, bool has_body, struct proof_fault *fault)
{
	static const struct str steering[] = { { "content-type", 12 }, { "content-encoding", 16 },
		{ "idempotency-key", 15 }, { "if-match", 8 }, { "x-http-method-override", 22 } };
	if (!signature_covers(s, STR("@method")) || !signature_covers(s, STR("@target-uri")))
		return FAULT(
		    "The signature must cover @method and @target-uri.", "签名必须覆盖 @method 和 @target-uri。");
	if (has_body && (!signature_covers(s, STR("content-digest")) || !signature_covers(s, STR("content-type"))))
		return FAULT("With a body the signature must cover content-digest and content-type.",
		    "有请求体时，签名必须覆盖 content-digest 和 content-type。");
	for (size_t i = 0; i < ARRAY_LEN(steering); i++)
		if (http_count(fields, steering[i]) && !signature_covers(s, steering[i]))
			return FAULT(
			    "The signature must cover content-type, content-encoding, idempotency-key, if-match "
			    "and x-http-method-override where they are sent.",
			    "请求带有 content-type、content-encoding、idempotency-key、if-match 或 "
			    "x-http-method-override "
			    "时，签名必须覆盖它们。");
	return ERR_NONE;
}

static enum err check_nonce(const struct message_signature *s, struct http_fields fields, struct proof_fault *fault)
{
	if (!s->nonce.p && http_count(fields, STR("idempotency-key")) == 1) return ERR_NONE;
	if (s->nonce.n >= NONCE_BYTES_MIN && s->nonce.n <= NONCE_BYTES_MAX) return ERR_NONE;
	return FAULT("The signature needs a nonce of 16 to 128 characters, or the request an Idempotency-Key.",
	    "签名须带 16 至 128 个字符的 nonce，或请求须带 Idempotency-Key。");
}

enum err proof_rules(const struct message_signature *s, struct http_fields fields, bool has_body, int64_t now_s,
    struct proof_fault *fault)
{
	if (!s->keyid.p || !s->alg.p)
		return FAULT("The signature must name its keyid and alg.", "签名缺少 keyid 或 alg 参数。");
	TRY(check_time(s, now_s, fault));
	TRY(check_coverage(s, fields, has_body, fault));
	return check_nonce(s, fields, fault);
}

enum err proof_digest(struct arena *a, struct http_fields fields, struct str body)
{
	struct content_digests d = { 0 };
	unsigned char sum256[SHA256_BYTES], sum512[SHA512_BYTES];
	if (!http_count(fields, STR("content-digest"))) return ERR_NONE; /* the rules have asked for it with a body */
	enum err e = content_digests_read(a, fields, &d);
	if (e != ERR_NONE) return e == ERR_SYNTAX ? ERR_SIGNATURE_INVALID : e;
	if (d.sha256.p) {
		sha256(body, sum256);
		if (!crypto_equal(d.sha256, str_span((const char *)sum256, sizeof sum256))) return ERR_DIGEST_MISMATCH;
	}
	if (d.sha512.p) {
		sha512(body, sum512);
		if (!crypto_equal(d.sha512, str_span((const char *)sum512, sizeof sum512))) return ERR_DIGEST_MISMATCH;
	}
	return ERR_NONE;
}

void proof_nonce(
    const struct message_signature *s, struct http_fields fields, struct buf *scratch, unsigned char out[32])
{
	buf_reset(scratch);
	if (s->nonce.p)
		buf_printf(scratch, "%.*s\nnonce\n%.*s", STR_FMT(s->keyid), STR_FMT(s->nonce));
	else
		buf_printf(scratch, "%.*s\nkey\n%.*s\n%lld", STR_FMT(s->keyid),
		    STR_FMT(http_get(fields, STR("idempotency-key"))), (long long)s->created);
	CHECK(buf_ok(scratch));
	sha256(buf_view(scratch), out);
}
