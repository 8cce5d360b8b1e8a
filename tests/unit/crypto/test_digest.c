/* SHA-256, HMAC, AES-GCM against published vectors; threads share nothing. */
#include "common/crypto/crypto.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/core/id.h"

static void assert_hex(const unsigned char *bytes, size_t n, const char *hex)
{
	char made[512];
	assert_true(2 * n < sizeof made);
	id_hex(bytes, n, made);
	made[2 * n] = 0;
	assert_string_equal(made, hex);
}

static void test_sha256(void **state)
{
	unsigned char out[SHA256_BYTES];
	(void)state;
	crypto_init();
	crypto_init();
	sha256(STR("abc"), out); /* FIPS 180-4 examples */
	assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256(STR_NONE, out);
	assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
	assert_hex(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_hmac(void **state)
{
	unsigned char out[SHA256_BYTES], key[131];
	(void)state;
	memset(key, 0x0b, 20); /* RFC 4231, cases 1, 2, 6 */
	hmac_sha256(str_span((char *)key, 20), STR("Hi There"), out);
	assert_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out);
	assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	hmac_sha256(
	    str_span((char *)key, sizeof key), STR("Test Using Larger Than Block-Size Key - Hash Key First"), out);
	assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	hmac_sha256(STR_NONE, STR_NONE, out); /* an empty key must not mean "the last key" */
	assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_equal_and_wipe(void **state)
{
	char secret[] = "secret";
	(void)state;
	assert_true(crypto_equal(STR("abc"), STR("abc")));
	assert_false(crypto_equal(STR("abc"), STR("abd")));
	assert_false(crypto_equal(STR("abc"), STR("ab")));
	assert_true(crypto_equal(STR_NONE, STR("")));
	crypto_wipe(secret, sizeof secret);
	for (size_t i = 0; i < sizeof secret; i++) assert_int_equal(secret[i], 0);
	crypto_wipe(NULL, 0);
}

static void test_random(void **state)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };
	(void)state;
	crypto_random(a, sizeof a);
	crypto_random(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

/* Test case 16 of the GCM submission (McGrew, Viega): AES-256 with additional data. */
static const char gcm_key[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
static const char gcm_nonce[] = "cafebabefacedbaddecaf888";
static const char gcm_aad[] = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
static const char gcm_plain[] = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
				"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
static const char gcm_sealed[] =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b";

static struct str unhex(const char *hex, char *out)
{
	size_t n = strlen(hex) / 2;
	assert_true(id_unhex(str_of(hex), out, n));
	return str_span(out, n);
}

static void test_gcm_vector(void **state)
{
	char key_bytes[32], nonce_bytes[12], aad_bytes[20], plain_bytes[60];
	unsigned char sealed[76], opened[60];
	(void)state;
	struct str key = unhex(gcm_key, key_bytes), nonce = unhex(gcm_nonce, nonce_bytes),
		   aad = unhex(gcm_aad, aad_bytes), plain = unhex(gcm_plain, plain_bytes);
	assert_int_equal(aes_gcm_seal(key, nonce, aad, plain, sealed), ERR_NONE);
	assert_hex(sealed, sizeof sealed, gcm_sealed);
	struct str cipher = { (char *)sealed, sizeof sealed };
	assert_int_equal(aes_gcm_open(key, nonce, aad, cipher, opened), ERR_NONE);
	assert_memory_equal(opened, plain.p, plain.n);
	for (size_t i = 0; i < sizeof sealed;
	     i++) { /* any altered byte, and nothing of the plain text is left behind */
		sealed[i] ^= 1;
		assert_int_equal(aes_gcm_open(key, nonce, aad, cipher, opened), ERR_CRYPTO);
		assert_int_equal(opened[0] | opened[30] | opened[59], 0);
		sealed[i] ^= 1;
	}
	assert_int_equal(aes_gcm_open(key, nonce, STR("other"), cipher, opened), ERR_CRYPTO);
	assert_int_equal(aes_gcm_open(key, nonce, aad, str_span(cipher.p, 15), opened), ERR_CRYPTO);
	assert_int_equal(aes_gcm_open(key, nonce, aad, str_span(cipher.p, 75), opened), ERR_CRYPTO);
	assert_int_equal(aes_gcm_open(str_span(key.p, 31), nonce, aad, cipher, opened), ERR_CRYPTO);
}

static void test_gcm_nonce_lengths(void **state)
{
	char key_bytes[32];
	unsigned char sealed[3 + GCM_TAG_BYTES], opened[3], empty[GCM_TAG_BYTES];
	(void)state;
	struct str key = unhex(gcm_key, key_bytes);
	static const char nonce[18] = "0123456789abcdefg";
	static const size_t order[] = { 12, 16, 1, 8, 12, 12, 13 };
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		struct str n = { nonce, order[i] };
		assert_int_equal(aes_gcm_seal(key, n, STR_NONE, STR("abc"), sealed), ERR_NONE);
		assert_int_equal(
		    aes_gcm_open(key, n, STR_NONE, str_span((char *)sealed, sizeof sealed), opened), ERR_NONE);
		assert_memory_equal(opened, "abc", 3);
		n.n++;
		assert_int_equal(
		    aes_gcm_open(key, n, STR_NONE, str_span((char *)sealed, sizeof sealed), opened), ERR_CRYPTO);
	}
	assert_int_equal(aes_gcm_seal(key, STR_NONE, STR_NONE, STR("abc"), sealed), ERR_CRYPTO);
	assert_int_equal(aes_gcm_seal(key, str_span(nonce, 17), STR_NONE, STR("abc"), sealed), ERR_CRYPTO);
	assert_int_equal(aes_gcm_seal(key, str_span(nonce, 12), STR("aad"), STR_NONE, empty), ERR_NONE);
	assert_int_equal(
	    aes_gcm_open(key, str_span(nonce, 12), STR("aad"), str_span((char *)empty, 16), opened), ERR_NONE);
	assert_int_equal(
	    aes_gcm_open(key, str_span(nonce, 12), STR("aax"), str_span((char *)empty, 16), opened), ERR_CRYPTO);
}

static void *hash_much(void *arg)
{
	unsigned char out[SHA256_BYTES], expected[SHA256_BYTES], sealed[4 + GCM_TAG_BYTES];
	static char failed[] = "failed";
	char *key = arg;
	hmac_sha256(str_span(key, 32), STR("data"), expected);
	for (int i = 0; i < 2000; i++) {
		hmac_sha256(str_span(key, 32), STR("data"), out);
		if (memcmp(out, expected, sizeof out) != 0) return failed;
		if (aes_gcm_seal(str_span(key, 32), STR("123456789012"), STR_NONE, STR("data"), sealed)) return failed;
		if (aes_gcm_open(str_span(key, 32), STR("123456789012"), STR_NONE, str_span((char *)sealed, 20), out))
			return failed;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	char keys[4][32];
	(void)state;
	for (int i = 0; i < 4; i++) {
		memset(keys[i], 'a' + i, 32);
		assert_int_equal(pthread_create(&threads[i], NULL, hash_much, keys[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		void *failed;
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_equal_and_wipe),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_gcm_vector),
		cmocka_unit_test(test_gcm_nonce_lengths),
		cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
