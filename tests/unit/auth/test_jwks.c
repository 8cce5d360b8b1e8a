/* JWK Sets, and agreement with another implementation (node's crypto) in both directions. */
#include "common/auth/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static const int64_t now_s = 1764000000;
static const struct token_issuer issuer = { { "https://id.example.org", 22 }, { "https://api.example.org", 23 } };
static struct arena arena;

#define X  "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y  "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\""

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 1 << 22);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void test_round_trip(void **state)
{
	struct token_key items[3] = { { STR("a"), NULL }, { STR("b"), NULL }, { STR("c"), NULL } };
	const enum signature_alg algs[] = { ALG_ES256, ALG_EDDSA, ALG_RS256 };
	struct token_keys keys = { items, 3 }, read;
	struct str text;
	(void)state;
	for (int i = 0; i < 3; i++) assert_int_equal(key_generate(algs[i], &items[i].key), ERR_NONE);
	assert_int_equal(jwks_write(&arena, &keys, &text), ERR_NONE);
	assert_false(str_contains(text, STR("\"d\"")));
	assert_int_equal(jwks_read(&arena, text, &read), ERR_NONE);
	assert_int_equal(read.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct str signature;
		assert_true(str_eq(read.items[i].kid, items[i].kid));
		assert_int_equal(key_alg(read.items[i].key), algs[i]);
		assert_false(key_is_private(read.items[i].key));
		assert_int_equal(key_sign(&arena, items[i].key, STR("data"), &signature), ERR_NONE);
		assert_int_equal(key_verify(read.items[i].key, STR("data"), signature), ERR_NONE);
	}
	jwks_free(&read);
	assert_int_equal(read.count, 0);
	jwks_free(&keys);
	assert_int_equal(jwks_write(&arena, &(struct token_keys){ 0 }, &text), ERR_NONE);
	assert_true(str_eq(text, STR("{\"keys\":[]}")));
}

static void test_skipped(void **state)
{
	static const char *const skipped[] = {
		"{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"k\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\",\"kid\":\"k\"}",
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" X "\",\"kid\":\"k\"}",
		"{" EC "}",
		"{" EC ",\"kid\":7}",
		"{" EC ",\"kid\":\"k\",\"use\":\"enc\"}",
		"{" EC ",\"kid\":\"k\",\"key_ops\":[\"encrypt\"]}",
		"{\"kty\":7,\"kid\":\"k\"}",
		"{}",
	};
	struct token_keys read;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(skipped); i++) {
		struct str text = arena_printf(
		    &arena, "{\"keys\":[%s,{" EC ",\"kid\":\"good\",\"key_ops\":[\"verify\"]}]}", skipped[i]);
		if (jwks_read(&arena, text, &read) != ERR_NONE || read.count != 1) fail_msg("%s", skipped[i]);
		assert_true(str_eq(read.items[0].kid, STR("good")));
		jwks_free(&read);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"null",
		"{\"keys\":{}}",
		"{\"keys\":[7]}",
		"{\"keys\":[]",
		"{\"keys\":[{" EC ",\"kid\":\"k\"},{" EC ",\"kid\":\"k\"}]}",
		"{\"keys\":[{" EC ",\"kid\":\"k\",\"alg\":\"ES384\"}]}",
		"{\"keys\":[{" EC ",\"kid\":\"k\",\"alg\":\"none\"}]}",
		"{\"keys\":[{" EC ",\"kid\":\"k\",\"alg\":7}]}",
		"{\"keys\":[{" EC ",\"kid\":\"k\",\"d\":\"AAAA\"}]}",
		"{\"keys\":[{" EC ",\"kid\":\"k\",\"kid\":\"l\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" Y "\",\"y\":\"" X "\",\"kid\":\"k\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"kid\":\"k\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "=\",\"y\":\"" Y "\",\"kid\":\"k\"}]}",
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\",\"kid\":\"k\"}]}",
		"{\"keys\":[{" EC ",\"kid\":\"j\"},{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"kid\":\"k\"}]}",
	};
	struct token_keys read;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (jwks_read(&arena, str_of(bad[i]), &read) != ERR_SYNTAX) fail_msg("%s", bad[i]);
		assert_int_equal(read.count, 0);
	}
	struct str many = STR("");
	for (int i = 0; i <= JWKS_KEYS_MAX; i++)
		many = arena_printf(&arena, "%.*s%s{" EC ",\"kid\":\"k%d\"}", STR_FMT(many), i ? "," : "", i);
	assert_int_equal(
	    jwks_read(&arena, arena_printf(&arena, "{\"keys\":[%.*s]}", STR_FMT(many)), &read), ERR_SYNTAX);
}

static struct str run_peer(const char *command)
{
	char text[32768];
	FILE *f = popen(command, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text, f);
	return pclose(f) == 0 ? arena_str(&arena, str_span(text, n)) : STR_NONE;
}

static bool has_peer(void)
{
	return access("tests/unit/auth/jwt_peer.mjs", R_OK) == 0 && system("node --version >/dev/null 2>&1") == 0;
}

/* First line: a JWK Set; then "<ok|bad> <token>" a line. */
static void test_peer_signs(void **state)
{
	struct token_keys keys;
	struct str line, verdict;
	int good = 0, bad = 0;
	(void)state;
	if (!has_peer()) skip();
	struct str text = run_peer("node tests/unit/auth/jwt_peer.mjs sign");
	assert_true(str_cut(&text, '\n', &line));
	assert_int_equal(jwks_read(&arena, line, &keys), ERR_NONE);
	while (str_cut(&text, '\n', &line) && str_cut(&line, ' ', &verdict) && line.p) {
		struct principal p;
		enum err expected = str_eq(verdict, STR("ok")) ? ERR_NONE : ERR_TOKEN_INVALID;
		if (token_verify(&arena, &issuer, &keys, line, now_s, &p) != expected) fail_msg("%.*s", STR_FMT(line));
		if (expected == ERR_NONE)
			good++;
		else
			bad++;
	}
	assert_true(good >= 10 && bad >= 10);
	jwks_free(&keys);
}

static void test_peer_verifies(void **state)
{
	struct token_key items[2] = { { STR("a"), NULL }, { STR("b"), NULL } };
	struct token_keys keys = { items, 2 };
	struct principal p = {
		.kind = PRINCIPAL_CITIZEN, .subject = STR("s1"), .client = STR("app"), .expires_s = now_s + 60
	};
	struct str set, tokens[2];
	(void)state;
	if (!has_peer()) skip();
	assert_int_equal(key_generate(ALG_ES256, &items[0].key), ERR_NONE);
	assert_int_equal(key_generate(ALG_EDDSA, &items[1].key), ERR_NONE);
	assert_int_equal(jwks_write(&arena, &keys, &set), ERR_NONE);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2; i++)
			assert_int_equal(
			    token_sign(&arena, &issuer, &items[i], &p, STR("j1"), now_s, &tokens[i]), ERR_NONE);
		struct str command = arena_printf(&arena, "node tests/unit/auth/jwt_peer.mjs verify '%.*s' %.*s %.*s",
		    STR_FMT(set), STR_FMT(tokens[0]), STR_FMT(tokens[1]));
		assert_true(str_eq(run_peer(command.p), STR("ok ok\n")));
	}
	jwks_free(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_skipped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_signs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peer_verifies, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
