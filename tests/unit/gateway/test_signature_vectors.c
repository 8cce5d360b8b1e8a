/* RFC 9421 appendix B.2: our signature base, verified with the RFC's own keys and signatures; and what is no signature at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/crypto/sign.h"
#include "common/http/signature.h"
#include "gateway/proof.h"
#include "gateway/signing_keys.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 8 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

#define PEM(body) "-----BEGIN PUBLIC KEY-----\n" body "-----END PUBLIC KEY-----\n"
static const char rsa_pss[] = PEM("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2\n"
				  "+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+\n"
				  "oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq\n"
				  "gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W\n"
				  "Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4\n"
				  "aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI\n"
				  "2wIDAQAB\n");
static const char ecc_p256[] = PEM("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf\n"
				   "w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==\n");
static const char ed25519[] = PEM("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n");

/* test-request of B.2, with one signature. */
enum { REQUEST_FIELDS = 7 };
static struct signed_message test_request(struct http_field items[REQUEST_FIELDS], struct str input, struct str bytes)
{
	const struct http_field all[REQUEST_FIELDS] = { { STR("Host"), STR("example.com") },
		{ STR("Date"), STR("Tue, 20 Apr 2021 02:07:55 GMT") }, { STR("Content-Type"), STR("application/json") },
		{ STR("Content-Digest"), STR("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+"
					     "AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:") },
		{ STR("Content-Length"), STR("18") }, { STR("Signature-Input"), input }, { STR("Signature"), bytes } };
	memcpy(items, all, sizeof all);
	return (struct signed_message){ .method = STR("POST"),
		.scheme = STR("https"),
		.authority = STR("example.com"),
		.path = STR("/foo"),
		.query = STR("param=Value&Pet=dog"),
		.fields = { items, REQUEST_FIELDS } };
}

static enum err base_of(struct str input, struct str bytes, struct message_signature *s, struct str *base)
{
	struct http_field items[REQUEST_FIELDS];
	struct signed_message m = test_request(items, input, bytes);
	TRY(signature_read(&arena, m.fields, s));
	return signature_base(&arena, s, &m, base);
}

static struct key *read_key(const char *pem)
{
	struct key *k;
	assert_int_equal(key_read_pem(str_of(pem), &k), ERR_NONE);
	if (key_alg(k) == ALG_RS256) assert_int_equal(key_use_pss(k), ERR_NONE);
	return k;
}

static void check_vector(const char *pem, const char *input, const char *bytes)
{
	struct message_signature s;
	struct str base;
	struct key *k = read_key(pem);
	assert_int_equal(base_of(str_of(input), str_of(bytes), &s, &base), ERR_NONE);
	assert_int_equal(s.created, 1618884473);
	assert_int_equal(key_verify(k, base, s.bytes), ERR_NONE);
	char *other = arena_alloc(&arena, base.n);
	for (size_t at = 0; at < base.n; at += 7) {
		memcpy(other, base.p, base.n);
		other[at] ^= 1;
		assert_int_equal(key_verify(k, str_span(other, base.n), s.bytes), ERR_SIGNATURE_INVALID);
	}
	key_free(k);
}

static void test_b21_rsa_pss_minimal(void **state)
{
	(void)state;
	check_vector(rsa_pss,
	    "sig-b21=();created=1618884473;keyid=\"test-key-rsa-pss\";nonce=\"b3k2pp5k7z-50gnwp.yemd\"",
	    "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7z"
	    "FZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXe"
	    "hhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho"
	    "8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:");
}

static void test_b22_rsa_pss_selective(void **state)
{
	(void)state;
	check_vector(rsa_pss,
	    "sig-b22=(\"@authority\" \"content-digest\" "
	    "\"@query-param\";name=\"Pet\");created=1618884473;keyid=\"test-key-rsa-"
	    "pss\";tag=\"header-example\"",
	    "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8U"
	    "CMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkj"
	    "qpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0"
	    "RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:");
}

static void test_b23_rsa_pss_full(void **state)
{
	(void)state;
	check_vector(rsa_pss,
	    "sig-b23=(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" "
	    "\"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"",
	    "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2vo"
	    "Tp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQo"
	    "Ld7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbh"
	    "l5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:");
}

/* A response: its base is given, for we sign and read none. */
static void test_b24_ecdsa(void **state)
{
	static const char base[] = "\"@status\": 200\n\"content-type\": application/json\n\"content-digest\": "
				   "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rj"
				   "Juahq4l5aGgfLQ==:\n\"content-length\": 23\n\"@signature-params\": (\"@status\" "
				   "\"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid="
				   "\"test-key-ecc-p256\"";
	struct str bytes;
	struct key *k = read_key(ecc_p256);
	(void)state;
	assert_int_equal(base64_decode(&arena,
			     STR("wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oi"
				 "asw=="),
			     &bytes),
	    ERR_NONE);
	assert_int_equal(key_verify(k, str_of(base), bytes), ERR_NONE);
	assert_int_equal(key_verify(k, str_span(base, sizeof base - 2), bytes), ERR_SIGNATURE_INVALID);
	key_free(k);
}

static void test_b25_hmac(void **state)
{
	struct message_signature s;
	struct str base, secret;
	unsigned char mac[SHA256_BYTES];
	(void)state;
	assert_int_equal(base64_decode(&arena,
			     STR("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTM"
				 "tDQ=="),
			     &secret),
	    ERR_NONE);
	assert_int_equal(
	    base_of(STR("sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-"
			"shared-secret\""),
		STR("sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"), &s, &base),
	    ERR_NONE);
	hmac_sha256(secret, base, mac);
	assert_true(crypto_equal(str_span((const char *)mac, sizeof mac), s.bytes));
}

static void test_b26_ed25519(void **state)
{
	(void)state;
	check_vector(ed25519,
	    "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" "
	    "\"content-length\");created=1618884473;"
	    "keyid=\"test-key-ed25519\"",
	    "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:");
}

/* PKCS#1 v1.5 and PSS do not pass for each other. */
static void test_padding_is_the_keys(void **state)
{
	struct key *k;
	struct str pkcs1, pss;
	(void)state;
	assert_int_equal(key_generate(ALG_RS256, &k), ERR_NONE);
	assert_int_equal(key_sign(&arena, k, STR("text"), &pkcs1), ERR_NONE);
	assert_int_equal(key_verify(k, STR("text"), pkcs1), ERR_NONE);
	assert_int_equal(key_use_pss(k), ERR_NONE);
	assert_int_equal(key_alg(k), ALG_PS512);
	assert_int_equal(key_verify(k, STR("text"), pkcs1), ERR_SIGNATURE_INVALID);
	assert_int_equal(key_sign(&arena, k, STR("text"), &pss), ERR_NONE);
	assert_int_equal(key_verify(k, STR("text"), pss), ERR_NONE);
	assert_int_equal(key_use_pss(k), ERR_CRYPTO);
	key_free(k);
	assert_int_equal(key_generate(ALG_EDDSA, &k), ERR_NONE);
	assert_int_equal(key_use_pss(k), ERR_CRYPTO);
	key_free(k);
}

static void test_components(void **state)
{
	struct message_signature s;
	struct str base;
	(void)state;
	assert_int_equal(
	    base_of(STR("a=(\"@target-uri\" \"@request-target\" \"@scheme\" \"@query-param\";name=\"param\" "
			"\"host\");x;alg=\"ed25519\""),
		STR("a=:AA==:"), &s, &base),
	    ERR_NONE);
	assert_true(str_eq(
	    base, STR("\"@target-uri\": https://example.com/foo?param=Value&Pet=dog\n\"@request-target\": "
		      "/foo?param=Value&Pet=dog\n\"@scheme\": https\n\"@query-param\";name=\"param\": Value\n\"host\": "
		      "example.com\n\"@signature-params\": (\"@target-uri\" \"@request-target\" \"@scheme\" "
		      "\"@query-param\";name=\"param\" \"host\");x;alg=\"ed25519\"")));
	assert_true(signature_covers(&s, STR("host")));
	assert_false(signature_covers(&s, STR("@query-param"))); /* it has a parameter */
	static const char *const unknown[] = { "\"@status\"", "\"Host\"", "\"x-absent\"", "\"host\";sf", "\"host\";bs",
		"\"host\";req", "\"host\";tr", "\"@method\";req", "\"@query-param\"", "\"@query-param\";name=\"no\"",
		"\"@query-param\";name=1", "\"@signature-params\"", "\"@\"" };
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		struct str input = arena_printf(&arena, "a=(%s)", unknown[i]);
		if (base_of(input, STR("a=:AA==:"), &s, &base) != ERR_SYNTAX) fail_msg("%s", unknown[i]);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *input;
		const char *bytes;
	} rows[] = { { "a=()", "b=:AA==:" }, { "a=()", "" }, { "", "a=:AA==:" }, { "a=(), b=()", "a=:AA==:" },
		{ "a=()", "a=:AA==:, b=:AA==:" }, { "a=(), a=()", "a=:AA==:" }, { "a=()", "a=:AA==:, a=:AA==:" },
		{ "a=(\"host\" \"host\")", "a=:AA==:" }, { "a=(host)", "a=:AA==:" }, { "a=(\"\")", "a=:AA==:" },
		{ "a=\"host\"", "a=:AA==:" }, { "a", "a=:AA==:" }, { "a=()", "a=\"AA==\"" }, { "a=()", "a=::" },
		{ "a=();created=\"1\"", "a=:AA==:" }, { "a=();created=1.5", "a=:AA==:" },
		{ "a=();created=-1", "a=:AA==:" }, { "a=();created=@1", "a=:AA==:" }, { "a=();keyid=k", "a=:AA==:" },
		{ "a=();alg=ed25519", "a=:AA==:" }, { "a=();nonce=1", "a=:AA==:" }, { "a=();expires=x", "a=:AA==:" },
		{ "a=()", "a=:AA:" }, { "a=(\"@query-param\";name=\"x\" \"@query-param\";name=\"x\")", "a=:AA==:" },
		{ "keyId=\"a\",algorithm=\"hmac\"", "keyId=\"rsa\",signature=\"AA==\"" } };
	struct message_signature s;
	struct str base;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (base_of(str_of(rows[i].input), str_of(rows[i].bytes), &s, &base) != ERR_SYNTAX)
			fail_msg("%s", rows[i].input);
	struct buf many;
	buf_init(&many, 65536);
	BUF_LIT(&many, "a=(");
	for (int i = 0; i <= SIGNATURE_COMPONENTS_MAX; i++) buf_printf(&many, "\"x-%d\" ", i);
	BUF_LIT(&many, ")");
	assert_int_equal(base_of(buf_view(&many), STR("a=:AA==:"), &s, &base), ERR_SYNTAX);
	for (int i = 0; i < SIGNATURE_FIELD_BYTES_MAX; i++) BUF_LIT(&many, " ");
	assert_int_equal(base_of(buf_view(&many), STR("a=:AA==:"), &s, &base), ERR_SYNTAX);
	buf_free(&many);
}

static void test_query_parameters(void **state)
{
	static const struct {
		const char *query, *name, *value;
	} rows[] = { { "a=1&b=2", "b", "2" }, { "a=x+y%2f%E4%B8%AD", "a", "x%20y%2F%E4%B8%AD" },
		{ "a=1&a=2", "a", NULL }, { "b&a", "a", "" }, { "a==", "a", "%3D" }, { "%61=1", "a", "1" },
		{ "a%20b=1", "a%20b", "1" }, { "a=%zz", "a", "%25zz" }, { NULL, "a", NULL }, { "&&a=1&", "a", "1" } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str input = arena_printf(&arena, "s=(\"@query-param\";name=\"%s\")", rows[i].name), base;
		struct http_field items[REQUEST_FIELDS];
		struct signed_message m = test_request(items, input, STR("s=:AA==:"));
		struct message_signature s;
		m.query = str_of(rows[i].query);
		assert_int_equal(signature_read(&arena, m.fields, &s), ERR_NONE);
		enum err e = signature_base(&arena, &s, &m, &base);
		if (!rows[i].value) {
			assert_int_equal(e, ERR_SYNTAX);
			continue;
		}
		assert_int_equal(e, ERR_NONE);
		struct str want =
		    arena_printf(&arena, "\"@query-param\";name=\"%s\": %s\n", rows[i].name, rows[i].value);
		if (!str_starts(base, want)) fail_msg("%s: %.*s", rows[i].query, STR_FMT(base));
	}
}

static void test_digests(void **state)
{
	struct content_digests d;
	struct http_field item = { STR("content-digest"),
		STR("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, md5=:AAAA:") };
	struct http_fields fields = { &item, 1 };
	unsigned char sum[SHA256_BYTES], sum512[SHA512_BYTES];
	(void)state;
	assert_int_equal(content_digests_read(&arena, fields, &d), ERR_NONE);
	sha256(STR("{\"hello\": \"world\"}"), sum);
	assert_true(crypto_equal(d.sha256, str_span((const char *)sum, sizeof sum)));
	assert_null(d.sha512.p);
	item.value =
	    STR("sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:");
	assert_int_equal(content_digests_read(&arena, fields, &d), ERR_NONE);
	sha512(STR("{\"hello\": \"world\"}"), sum512);
	assert_true(crypto_equal(d.sha512, str_span((const char *)sum512, sizeof sum512)));
	static const char *const bad[] = { "", "md5=:AAAA:", "sha-256=:AAAA:", "sha-256=X48E", "sha-256",
		"sha-256=\"X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=\"",
		"sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		item.value = str_of(bad[i]);
		assert_int_equal(content_digests_read(&arena, fields, &d), ERR_SYNTAX);
	}
}

static void test_public_url(void **state)
{
	static const struct {
		const char *url, *scheme, *authority, *path;
	} rows[] = { { "https://api.example.org", "https", "api.example.org", "" },
		{ "https://API.example.org:443/", "https", "api.example.org", "" },
		{ "http://127.0.0.1:8080", "http", "127.0.0.1:8080", "" }, { "http://x:80", "http", "x", "" },
		{ "https://x:80/base/", "https", "x:80", "/base" } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct public_url u;
		public_url_read(&arena, str_of(rows[i].url), &u);
		assert_true(str_eq(u.scheme, str_of(rows[i].scheme)) &&
			    str_eq(u.authority, str_of(rows[i].authority)) && str_eq(u.path, str_of(rows[i].path)));
	}
}

/* What may be used once: the nonce, or the key at that time; never one partner's for another. */
static void test_nonce(void **state)
{
	struct http_field key = { STR("Idempotency-Key"), STR("\"k\"") };
	struct http_fields none = { NULL, 0 }, one = { &key, 1 };
	struct message_signature s = { .keyid = STR("a"), .nonce = STR("n"), .created = 1 };
	unsigned char first[32], second[32];
	struct buf scratch;
	(void)state;
	buf_init(&scratch, 4096);
	proof_nonce(&s, none, &scratch, first);
	s.created = 2;
	proof_nonce(&s, one, &scratch, second);
	assert_memory_equal(first, second, sizeof first);
	s.keyid = STR("b");
	proof_nonce(&s, one, &scratch, second);
	assert_memory_not_equal(first, second, sizeof first);
	s.nonce = STR_NONE;
	proof_nonce(&s, one, &scratch, first);
	s.created = 3;
	proof_nonce(&s, one, &scratch, second);
	assert_memory_not_equal(first, second, sizeof first);
	s.nonce = STR("n");
	assert_true(signing_keys_well_formed(STR("hosp-zq1:2026.a_b")));
	assert_false(signing_keys_well_formed(STR("-abc")) || signing_keys_well_formed(STR("ab")) ||
		     signing_keys_well_formed(STR("a\"bc")) || signing_keys_well_formed(STR_NONE));
	buf_free(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_b21_rsa_pss_minimal),
		cmocka_unit_test(test_b22_rsa_pss_selective), cmocka_unit_test(test_b23_rsa_pss_full),
		cmocka_unit_test(test_b24_ecdsa), cmocka_unit_test(test_b25_hmac), cmocka_unit_test(test_b26_ed25519),
		cmocka_unit_test(test_padding_is_the_keys), cmocka_unit_test(test_components),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_query_parameters), cmocka_unit_test(test_digests),
		cmocka_unit_test(test_public_url), cmocka_unit_test(test_nonce) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
