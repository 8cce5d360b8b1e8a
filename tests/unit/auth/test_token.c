/* Access tokens: the round trip, each claim, and the attacks that JWT libraries are known for (RFC 8725). */
#include "common/auth/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const int64_t now_s = 1764000000;
static const struct token_issuer issuer = { { "https://id.example.org", 22 }, { "https://api.example.org", 23 } };
static struct arena arena;
static struct token_key ec = { { "ec-1", 4 }, NULL }, ed = { { "ed-1", 4 }, NULL }, rsa = { { "rsa-1", 5 }, NULL };

static const char claims_text[] =
    "{\"iss\":\"https://id.example.org\",\"sub\":\"s1\",\"aud\":\"https://api.example.org\",\"exp\":1764000600,"
    "\"iat\":1764000000,\"jti\":\"j1\",\"client_id\":\"app\",\"kind\":\"citizen\"}";

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 1 << 22);
	return key_generate(ALG_ES256, &ec.key) || key_generate(ALG_EDDSA, &ed.key) ||
	       key_generate(ALG_RS256, &rsa.key);
}

static int teardown(void **state)
{
	(void)state;
	key_free(ec.key);
	key_free(ed.key);
	key_free(rsa.key);
	arena_release(&arena);
	return 0;
}

static enum err verify_at(struct str token, int64_t at_s, struct principal *p)
{
	const struct token_key items[] = { ec, ed, rsa };
	const struct token_keys keys = { items, ARRAY_LEN(items) };
	return token_verify(&arena, &issuer, &keys, token, at_s, p);
}

static enum err verify(struct str token)
{
	struct principal p;
	enum err e = verify_at(token, now_s, &p);
	if (e != ERR_NONE)
		assert_true(p.kind == PRINCIPAL_ANONYMOUS && !p.subject.p); /* nothing leaks out of a refusal */
	return e;
}

static struct str encoded(struct str s)
{
	return base64url_encode(&arena, s);
}

/* A token of any parts, rightly signed. */
static struct str craft(const struct token_key *k, const char *header, const char *claims)
{
	struct str h = encoded(str_of(header)), c = encoded(str_of(claims)), signature;
	struct str data = arena_printf(&arena, "%.*s.%.*s", STR_FMT(h), STR_FMT(c));
	assert_int_equal(key_sign(&arena, k->key, data, &signature), ERR_NONE);
	signature = encoded(signature);
	return arena_printf(&arena, "%.*s.%.*s", STR_FMT(data), STR_FMT(signature));
}

static struct str craft_claims(const char *claims)
{
	return craft(&ed, "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}", claims);
}

static struct str craft_header(const char *header)
{
	return craft(&ed, header, claims_text);
}

/* claims_text with `from` replaced. */
static struct str replaced(const char *from, const char *to)
{
	const char *at = strstr(claims_text, from);
	assert_non_null(at);
	return arena_printf(&arena, "%.*s%s%s", (int)(at - claims_text), claims_text, to, at + strlen(from));
}

static void test_round_trip(void **state)
{
	const struct token_key *signers[] = { &ec, &ed };
	(void)state;
	struct principal p = { .kind = PRINCIPAL_STAFF,
		.subject = STR("s1"),
		.organization = STR("4412/441223"),
		.scopes = STR("a b"),
		.session = STR("n1"),
		.client = STR("console"),
		.expires_s = now_s + 900 },
			 q;
	for (size_t i = 0; i < ARRAY_LEN(signers); i++) {
		struct str token;
		assert_int_equal(token_sign(&arena, &issuer, signers[i], &p, STR("j1"), now_s, &token), ERR_NONE);
		assert_int_equal(verify_at(token, now_s, &q), ERR_NONE);
		assert_int_equal(q.kind, PRINCIPAL_STAFF);
		assert_true(str_eq(q.subject, p.subject) && str_eq(q.organization, p.organization) &&
			    str_eq(q.scopes, p.scopes));
		assert_true(str_eq(q.session, p.session) && str_eq(q.client, p.client));
		assert_int_equal(q.expires_s, p.expires_s);
		assert_int_equal(verify_at(token, now_s + 904, &q), ERR_NONE);
		assert_int_equal(verify_at(token, now_s + 905, &q), ERR_TOKEN_EXPIRED);
		assert_null(q.subject.p);
		const struct token_key items[] = { ec, ed, rsa };
		const struct token_keys keys = { items, ARRAY_LEN(items) };
		assert_int_equal(token_verify_old(&arena, &issuer, &keys, token, now_s + 905, &q), ERR_TOKEN_EXPIRED);
		assert_true(str_eq(q.subject, p.subject) && q.expires_s == p.expires_s);
		assert_int_equal(verify_at(token, now_s - 5, &q), ERR_NONE);
		assert_int_equal(verify_at(token, now_s - 6, &q), ERR_TOKEN_INVALID);
		assert_null(q.subject.p);
	}
}

static void test_sign_refuses(void **state)
{
	struct principal p = { .kind = PRINCIPAL_CITIZEN,
		.subject = STR("s1"),
		.client = STR("app"),
		.expires_s = now_s + 60 },
			 q = p;
	struct str token;
	(void)state;
	assert_int_equal(token_sign(&arena, &issuer, &ed, &p, STR("j"), now_s, &token), ERR_NONE);
	assert_int_equal(token_sign(&arena, &issuer, &rsa, &p, STR("j"), now_s, &token), ERR_CRYPTO);
	assert_int_equal(token_sign(&arena, &issuer, &ed, &p, STR(""), now_s, &token), ERR_SYNTAX);
	q.kind = PRINCIPAL_ANONYMOUS;
	assert_int_equal(token_sign(&arena, &issuer, &ed, &q, STR("j"), now_s, &token), ERR_SYNTAX);
	q = p, q.subject = STR_NONE;
	assert_int_equal(token_sign(&arena, &issuer, &ed, &q, STR("j"), now_s, &token), ERR_SYNTAX);
	q = p, q.client = STR("a.b");
	assert_int_equal(token_sign(&arena, &issuer, &ed, &q, STR("j"), now_s, &token), ERR_SYNTAX);
	q = p, q.expires_s = now_s;
	assert_int_equal(token_sign(&arena, &issuer, &ed, &q, STR("j"), now_s, &token), ERR_SYNTAX);
}

static void test_claims(void **state)
{
	static const char *const bad[][2] = {
		{ "https://id.example.org", "https://id.example.org/" },
		{ "https://id.example.org", "" },
		{ "\"https://id.example.org\"", "[\"https://id.example.org\"]" },
		{ "\"sub\":\"s1\"", "\"sub\":\"\"" },
		{ "\"sub\":\"s1\"", "\"sub\":7" },
		{ "\"sub\":\"s1\"", "\"sub\":null" },
		{ "\"sub\":\"s1\"", "\"sub\":\"a b\"" },
		{ "\"sub\":\"s1\"", "\"x\":1" },
		{ "\"sub\":\"s1\"", "\"sub\":\"s1\",\"sub\":\"s2\"" },
		{ "\"https://api.example.org\"", "\"https://other.example.org\"" },
		{ "\"https://api.example.org\"", "[]" },
		{ "\"https://api.example.org\"", "[\"https://other.example.org\"]" },
		{ "\"https://api.example.org\"", "[\"https://api.example.org\",7]" },
		{ "\"https://api.example.org\"", "{\"a\":\"https://api.example.org\"}" },
		{ "\"aud\"", "\"Aud\"" },
		{ "\"exp\":1764000600", "\"exp\":\"1764000600\"" },
		{ "\"exp\":1764000600", "\"exp\":1e300" },
		{ "\"exp\":1764000600", "\"exp\":99999999999999" },
		{ "\"exp\":1764000600", "\"exp\":-1" },
		{ "\"exp\":1764000600", "\"exp\":1764000600.5" },
		{ "\"exp\":1764000600", "\"exp\":null" },
		{ "\"exp\":1764000600,", "" },
		{ "\"iat\":1764000000", "\"iat\":1764000006" },
		{ "\"iat\":1764000000,", "" },
		{ "\"iat\":1764000000", "\"iat\":1764000000,\"nbf\":1764000006" },
		{ "\"iat\":1764000000", "\"iat\":1764000000,\"nbf\":\"0\"" },
		{ "\"jti\":\"j1\",", "" },
		{ "\"client_id\":\"app\",", "" },
		{ "\"kind\":\"citizen\"", "\"kind\":\"anonymous\"" },
		{ "\"kind\":\"citizen\"", "\"kind\":\"root\"" },
		{ "\"kind\":\"citizen\"", "\"kind\":\"citizen\",\"scope\":[\"a\"]" },
		{ "\"kind\":\"citizen\"", "\"kind\":\"citizen\",\"scope\":\"a  b\"" },
		{ "\"kind\":\"citizen\"", "\"kind\":\"citizen\",\"org\":\"4412.x\"" },
		{ "\"kind\":\"citizen\"", "\"kind\":\"citizen\",\"sid\":1" },
		{ "\"kind\":\"citizen\"}", "\"kind\":\"citizen\"}x" },
		{ "\"kind\":\"citizen\"}", "\"kind\":\"citizen\"" },
	};
	(void)state;
	assert_int_equal(verify(craft_claims(claims_text)), ERR_NONE);
	assert_int_equal(
	    verify(craft_claims(replaced("\"https://api.example.org\"", "[\"x\",\"https://api.example.org\"]").p)),
	    ERR_NONE);
	assert_int_equal(
	    verify(craft_claims(replaced("\"iat\":1764000000", "\"iat\":1764000005,\"nbf\":1764000005").p)), ERR_NONE);
	assert_int_equal(verify(craft_claims(replaced("\"jti\"", "\"extra\":{\"a\":[1]},\"jti\"").p)), ERR_NONE);
	assert_int_equal(verify(craft_claims(replaced("1764000600", "1763999995").p)), ERR_TOKEN_EXPIRED);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct str claims = replaced(bad[i][0], bad[i][1]);
		if (verify(craft_claims(claims.p)) != ERR_TOKEN_INVALID) fail_msg("accepted %s", claims.p);
	}
	assert_int_equal(verify(craft_claims("[]")), ERR_TOKEN_INVALID);
	assert_int_equal(verify(craft_claims("")), ERR_TOKEN_INVALID);
}

static void test_headers(void **state)
{
	static const char *const bad[] = {
		"{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"None\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"eddsa\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"{\"alg\":[\"EdDSA\"],\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"{\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"EdDSA\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"id+jwt\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-2\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ec-1\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"../ed-1\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\",\"b64\":false,\"crit\":[\"b64\"]}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\",\"b64\":true}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\",\"zip\":\"DEF\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\",\"jku\":\"https://evil.example\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\",\"x5u\":\"https://evil.example\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\",\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}}",
		"{\"alg\":\"none\",\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\",\"kid\":\"ec-1\"}",
		"{\"alg\":\"EdDSA\",\"al\\u0067\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}",
		"[]",
		"",
		"null",
		"{}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"} x",
	};
	(void)state;
	assert_int_equal(
	    verify(craft_header("{\"kid\":\"ed-1\",\"alg\":\"EdDSA\",\"typ\":\"application/AT+jwt\"}")), ERR_NONE);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (verify(craft_header(bad[i])) != ERR_TOKEN_INVALID) fail_msg("accepted %s", bad[i]);
	/* RSA keys are for partners' signatures: they never make an access token */
	assert_int_equal(verify(craft(&rsa, "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"kid\":\"rsa-1\"}", claims_text)),
	    ERR_TOKEN_INVALID);
	/* signed by a known key, but not by the one that kid names */
	assert_int_equal(verify(craft(&ec, "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"ed-1\"}", claims_text)),
	    ERR_TOKEN_INVALID);
}

static struct str with_signature(const char *header, struct str signature)
{
	struct str h = encoded(str_of(header)), c = encoded(str_of(claims_text)), s = encoded(signature);
	return arena_printf(&arena, "%.*s.%.*s.%.*s", STR_FMT(h), STR_FMT(c), STR_FMT(s));
}

/* Without a signature, and with the public key as an HMAC secret. */
static void test_key_confusion(void **state)
{
	static const char *const forms[] = { "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"ec-1\"}",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec-1\"}" };
	struct str pem;
	(void)state;
	assert_int_equal(verify(with_signature("{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"ec-1\"}", STR(""))),
	    ERR_TOKEN_INVALID);
	assert_int_equal(verify(with_signature("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec-1\"}", STR(""))),
	    ERR_TOKEN_INVALID);
	assert_int_equal(key_write_pem(&arena, ec.key, false, &pem), ERR_NONE);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		unsigned char mac[SHA256_BYTES];
		struct str h = encoded(str_of(forms[i])), c = encoded(str_of(claims_text));
		hmac_sha256(pem, arena_printf(&arena, "%.*s.%.*s", STR_FMT(h), STR_FMT(c)), mac);
		assert_int_equal(
		    verify(with_signature(forms[i], str_span((char *)mac, sizeof mac))), ERR_TOKEN_INVALID);
	}
	static const char zeros[64];
	assert_int_equal(verify(with_signature(forms[1], str_span(zeros, 64))), ERR_TOKEN_INVALID); /* CVE-2022-21449 */
}

static void test_every_byte_counts(void **state)
{
	(void)state;
	struct str token = craft(&ec, "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"ec-1\"}", claims_text);
	assert_int_equal(verify(token), ERR_NONE);
	for (size_t i = 0; i < token.n; i++) {
		struct str copy = arena_str(&arena, token);
		((char *)(uintptr_t)copy.p)[i] ^= 1;
		assert_int_equal(verify(copy), ERR_TOKEN_INVALID);
		assert_int_equal(verify(arena_str(&arena, str_span(token.p, i))), ERR_TOKEN_INVALID);
	}
	static const char *const around[][2] = { { "", "." }, { ".", "" }, { "", "=" }, { " ", "" }, { "", "\n" },
		{ "", ".AAAA" }, { "", "A" } };
	for (size_t i = 0; i < ARRAY_LEN(around); i++)
		assert_int_equal(verify(arena_printf(&arena, "%s%.*s%s", around[i][0], STR_FMT(token), around[i][1])),
		    ERR_TOKEN_INVALID);
	assert_int_equal(verify(STR("..")), ERR_TOKEN_INVALID);
	assert_int_equal(verify(STR_NONE), ERR_TOKEN_INVALID);
	/* the last character of a 64-byte signature holds 2 spare bits... of which every one must be zero */
	struct str respelled = arena_str(&arena, token);
	char *last = (char *)(uintptr_t)respelled.p + respelled.n - 1;
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	*last = alphabet[(strchr(alphabet, *last) - alphabet) | 1];
	assert_int_equal(verify(respelled), ERR_TOKEN_INVALID);
}

static void test_length(void **state)
{
	char filler[TOKEN_BYTES_MAX];
	(void)state;
	memset(filler, 'a', sizeof filler);
	struct str fits = arena_printf(&arena, "\"x\":\"%.*s\",\"jti\"", 1100, filler),
		   too_long = arena_printf(&arena, "\"x\":\"%.*s\",\"jti\"", 1300, filler);
	assert_int_equal(verify(craft_claims(replaced("\"jti\"", fits.p).p)), ERR_NONE);
	assert_int_equal(verify(craft_claims(replaced("\"jti\"", too_long.p).p)), ERR_TOKEN_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_sign_refuses),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_key_confusion),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_length),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
