/* Keys and signatures: RFC vectors, admission of keys, and forgeries. */
#include "common/crypto/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/core/id.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static struct str flipped(struct str s, size_t at)
{
	char *p = (char *)(uintptr_t)arena_str(&arena, s).p;
	p[at] ^= 1;
	return str_span(p, s.n);
}

static void round_trip(enum signature_alg alg, size_t bytes)
{
	struct key *k, *public, *again;
	struct str signature, pem;
	assert_int_equal(key_generate(alg, &k), ERR_NONE);
	assert_true(key_is_private(k));
	assert_int_equal(key_alg(k), alg);
	for (int i = 0; i < 50; i++) { /* ECDSA's integers vary in length */
		struct str data = arena_printf(&arena, "message %d", i);
		assert_int_equal(key_sign(&arena, k, data, &signature), ERR_NONE);
		assert_int_equal(signature.n, bytes);
		assert_int_equal(key_verify(k, data, signature), ERR_NONE);
		if (alg == ALG_RS256 && i == 3) break; /* slow under sanitizers */
	}
	assert_int_equal(key_write_pem(&arena, k, false, &pem), ERR_NONE);
	assert_int_equal(key_read_pem(pem, &public), ERR_NONE);
	assert_false(key_is_private(public));
	assert_int_equal(key_sign(&arena, k, STR("text"), &signature), ERR_NONE);
	assert_int_equal(key_verify(public, STR("text"), signature), ERR_NONE);
	assert_int_equal(key_verify(public, STR("texT"), signature), ERR_SIGNATURE_INVALID);
	assert_int_equal(key_verify(public, STR("text"), flipped(signature, 0)), ERR_SIGNATURE_INVALID);
	assert_int_equal(key_verify(public, STR("text"), flipped(signature, bytes - 1)), ERR_SIGNATURE_INVALID);
	assert_int_equal(key_verify(public, STR("text"), str_span(signature.p, bytes - 1)), ERR_SIGNATURE_INVALID);
	assert_int_equal(key_verify(public, STR("text"), STR_NONE), ERR_SIGNATURE_INVALID);
	struct str more = arena_printf(&arena, "%*s", (int)bytes + 1, "");
	assert_int_equal(key_verify(public, STR("text"), more), ERR_SIGNATURE_INVALID);
	assert_int_equal(key_sign(&arena, public, STR("text"), &signature), ERR_CRYPTO);
	assert_int_equal(key_write_pem(&arena, public, true, &pem), ERR_CRYPTO);
	assert_int_equal(key_write_pem(&arena, k, true, &pem), ERR_NONE);
	assert_int_equal(key_read_pem(pem, &again), ERR_NONE);
	assert_true(key_is_private(again));
	assert_int_equal(key_sign(&arena, again, STR("text"), &signature), ERR_NONE);
	assert_int_equal(key_verify(public, STR("text"), signature), ERR_NONE);
	key_free(k);
	key_free(public);
	key_free(again);
}

static void test_rsa(void **state)
{
	(void)state;
	round_trip(ALG_RS256, 256);
}

static void test_es256(void **state)
{
	(void)state;
	round_trip(ALG_ES256, 64);
}

static void test_eddsa(void **state)
{
	(void)state;
	round_trip(ALG_EDDSA, 64);
}

/* RFC 8032 7.1, test 2 (one byte), by way of a JWK. */
static void test_eddsa_vector(void **state)
{
	char public_bytes[32], signature[64];
	struct key *k;
	(void)state;
	assert_true(
	    id_unhex(STR("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"), public_bytes, 32));
	assert_true(id_unhex(STR("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
				 "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
	    signature, 64));
	struct str x = base64url_encode(&arena, str_span(public_bytes, 32));
	assert_int_equal(key_read_jwk(STR("OKP"), STR("Ed25519"), x, STR_NONE, STR_NONE, STR_NONE, &k), ERR_NONE);
	assert_int_equal(key_verify(k, STR("\x72"), str_span(signature, 64)), ERR_NONE);
	assert_int_equal(key_verify(k, STR("\x73"), str_span(signature, 64)), ERR_SIGNATURE_INVALID);
	key_free(k);
}

/* RFC 7515 A.3: the JWS example with ES256. */
static const char jws_x[] = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		  jws_y[] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

static void test_es256_vector(void **state)
{
	struct key *k;
	struct str signature;
	(void)state;
	assert_int_equal(
	    key_read_jwk(STR("EC"), STR("P-256"), str_of(jws_x), str_of(jws_y), STR_NONE, STR_NONE, &k), ERR_NONE);
	assert_int_equal(
	    base64url_decode(&arena,
		STR("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
		&signature),
	    ERR_NONE);
	struct str data = STR("eyJhbGciOiJFUzI1NiJ9."
			      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp"
			      "0cnVlfQ");
	assert_int_equal(key_verify(k, data, signature), ERR_NONE);
	/* r or s of zero, the order, and all ones */
	char forged[64];
	static const unsigned char order[32] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25,
		0x51 };
	memset(forged, 0, sizeof forged);
	assert_int_equal(key_verify(k, data, str_span(forged, 64)), ERR_SIGNATURE_INVALID);
	memcpy(forged, signature.p, 32);
	assert_int_equal(key_verify(k, data, str_span(forged, 64)), ERR_SIGNATURE_INVALID);
	memset(forged, 0, 32);
	memcpy(forged + 32, signature.p + 32, 32);
	assert_int_equal(key_verify(k, data, str_span(forged, 64)), ERR_SIGNATURE_INVALID);
	memcpy(forged, order, 32);
	assert_int_equal(key_verify(k, data, str_span(forged, 64)), ERR_SIGNATURE_INVALID);
	memset(forged, 0xff, sizeof forged);
	assert_int_equal(key_verify(k, data, str_span(forged, 64)), ERR_SIGNATURE_INVALID);
	key_free(k);
}

static void test_jwk_refused(void **state)
{
	struct key *k = NULL;
	struct str x = str_of(jws_x), y = str_of(jws_y);
	(void)state;
	assert_int_equal(key_read_jwk(STR("EC"), STR("P-384"), x, y, STR_NONE, STR_NONE, &k), ERR_CRYPTO);
	assert_int_equal(key_read_jwk(STR("EC"), STR("secp256k1"), x, y, STR_NONE, STR_NONE, &k), ERR_CRYPTO);
	assert_int_equal(
	    key_read_jwk(STR("EC"), STR("P-256"), y, x, STR_NONE, STR_NONE, &k), ERR_CRYPTO); /* off the curve */
	assert_int_equal(key_read_jwk(STR("EC"), STR("P-256"), x, STR_NONE, STR_NONE, STR_NONE, &k), ERR_CRYPTO);
	assert_int_equal(
	    key_read_jwk(STR("EC"), STR("P-256"), x, str_span(y.p, 42), STR_NONE, STR_NONE, &k), ERR_CRYPTO);
	assert_int_equal(key_read_jwk(STR("OKP"), STR("X25519"), x, STR_NONE, STR_NONE, STR_NONE, &k), ERR_CRYPTO);
	assert_int_equal(
	    key_read_jwk(STR("OKP"), STR("Ed25519"), STR("AAAA"), STR_NONE, STR_NONE, STR_NONE, &k), ERR_CRYPTO);
	assert_int_equal(key_read_jwk(STR("oct"), STR_NONE, x, y, STR_NONE, STR_NONE, &k), ERR_CRYPTO);
	assert_int_equal(key_read_jwk(STR("RSA"), STR_NONE, x, y, STR_NONE, STR_NONE, &k), ERR_CRYPTO);
	char small[128], big[256];
	memset(small, 0xc5, sizeof small);
	memset(big, 0xc5, sizeof big);
	struct str n1024 = base64url_encode(&arena, str_span(small, sizeof small)),
		   n2048 = base64url_encode(&arena, str_span(big, sizeof big));
	assert_int_equal(key_read_jwk(STR("RSA"), STR_NONE, STR_NONE, STR_NONE, n1024, STR("AQAB"), &k), ERR_CRYPTO);
	assert_int_equal(
	    key_read_jwk(STR("RSA"), STR_NONE, STR_NONE, STR_NONE, n2048, STR("AQ"), &k), ERR_CRYPTO); /* e = 1 */
	assert_int_equal(key_read_jwk(STR("RSA"), STR_NONE, STR_NONE, STR_NONE, n2048, STR_NONE, &k), ERR_CRYPTO);
	assert_null(k);
}

static void test_jwk_written(void **state)
{
	struct key *k;
	struct str jwk;
	(void)state;
	assert_int_equal(
	    key_read_jwk(STR("EC"), STR("P-256"), str_of(jws_x), str_of(jws_y), STR_NONE, STR_NONE, &k), ERR_NONE);
	assert_int_equal(key_write_jwk(&arena, k, STR("k1"), &jwk), ERR_NONE);
	assert_true(str_eq(jwk,
	    STR("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"
		"\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"k1\"}")));
	assert_int_equal(key_write_jwk(&arena, k, STR("k\"1"), &jwk), ERR_SYNTAX);
	assert_int_equal(key_write_jwk(&arena, k, STR(""), &jwk), ERR_SYNTAX);
	key_free(k);
	key_free(NULL);
}

/* What the openssl tool writes. */
static struct str run_openssl(const char *arguments)
{
	char command[1024], text[8192];
	snprintf(command, sizeof command, "openssl %s 2>/dev/null", arguments);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text, f);
	pclose(f);
	assert_true(n > 0);
	return arena_str(&arena, str_span(text, n));
}

static enum err read_pem(struct str pem)
{
	struct key *k;
	enum err e = key_read_pem(pem, &k);
	assert_true((e == ERR_NONE) == (k != NULL));
	key_free(k);
	return e;
}

static void test_pem_files(void **state)
{
	(void)state;
	assert_int_equal(read_pem(run_openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048")), ERR_NONE);
	assert_int_equal(read_pem(run_openssl("genrsa -traditional 2048")), ERR_NONE);
	assert_int_equal(
	    read_pem(run_openssl("ecparam -name prime256v1 -genkey")), ERR_NONE); /* with a parameters block before */
	assert_int_equal(
	    read_pem(run_openssl(
		"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=t -days 2")),
	    ERR_NONE);
	assert_int_equal(read_pem(run_openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024")), ERR_CRYPTO);
	assert_int_equal(read_pem(run_openssl("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048")), ERR_CRYPTO);
	assert_int_equal(read_pem(run_openssl("ecparam -name secp384r1 -genkey -noout")), ERR_CRYPTO);
	assert_int_equal(read_pem(run_openssl("ecparam -name secp256k1 -genkey -noout")), ERR_CRYPTO);
	assert_int_equal(
	    read_pem(run_openssl("ecparam -name prime256v1 -genkey -noout -param_enc explicit")), ERR_CRYPTO);
	assert_int_equal(read_pem(run_openssl("genpkey -algorithm ED448")), ERR_CRYPTO);
	assert_int_equal(
	    read_pem(run_openssl("genpkey -algorithm ED25519 -aes256 -pass pass:x")), ERR_CRYPTO); /* never asks */
	assert_int_equal(read_pem(STR("")), ERR_CRYPTO);
	assert_int_equal(read_pem(STR("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")), ERR_CRYPTO);
	assert_int_equal(read_pem(STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), ERR_CRYPTO);
	assert_int_equal(read_pem(STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")), ERR_CRYPTO);
}

/* Two moduli made for this test: the first is a power of 65537 modulo every small prime, the second, a little larger, is not. */
static void test_weak_primes(void **state)
{
	struct key *k;
	struct str weak = STR("tigVZUz0ivG6jGcevzPv2kAIVB5G6hUCNpwDUV6k_fDBKv2TpvBq75yMDhxSfcWgOy1omwpACRYO7REK4ag80f"
			      "Tkxv8ytnkcipe3jDFZVXgWzEEQ263p6z0RgmftcesyvU3EZbhkvh11UimKibNZsg93juJ3oI5pR2YDaQRuF61m"
			      "LVYQNKQQowTKEMQafmKeVpGQP1Apkm4TUD-aZ0mHG1bH8GaaJS7CuRq1QqDjVu4BISSNGnqm78WkaF_X4iO5SM"
			      "tkMzNgHcOSDKq_4qI9KmAVq-8AzXRw30aHxWSC3cW56YrmHG18FH0JcSuomgmhQV6CtoZE3sHiHx8IusnPiw");
	struct str sound = STR("tigVZUz0ivG6jGcevzPv2kAIVB5G6hUCNpwDUV6k_fDBKv2TpvBq75yMDhxSfcWgOy1omwpACRYO7REK4ag80f"
			       "Tkxv8ytnkcipe3jDFZVXgWzEEQ263p6z0RgmftcesyvU3EZbhkvh11UimKibNZsg93juJ3oI5pR2YDaQRuF61m"
			       "LVYQNKQQowTKEMQafmKeVpGQP1Apkm4TUD-aZ0mHG1bH8GaaJS7CuRq1QqDjVu4BISSNGnqm78WkaF_X4iO5SM"
			       "tkMzNgHcOSDKq_4qI9KmAVq-8AzXRw30aHxWSC3cW56YrmHG18FH0JcSuomgmhQV6CtoZE3sHiHx8IusnPnw");
	(void)state;
	assert_int_equal(key_read_jwk(STR("RSA"), STR_NONE, STR_NONE, STR_NONE, weak, STR("AQAB"), &k), ERR_CRYPTO);
	assert_int_equal(key_read_jwk(STR("RSA"), STR_NONE, STR_NONE, STR_NONE, sound, STR("AQAB"), &k), ERR_NONE);
	key_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rsa, setup, teardown),
		cmocka_unit_test_setup_teardown(test_es256, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eddsa, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eddsa_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(test_es256_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jwk_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jwk_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pem_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_weak_primes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
