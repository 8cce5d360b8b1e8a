/* Envelope encryption: what is sealed opens only as what it was sealed as, also after the key-encryption key has changed. */
#include "common/crypto/secret.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define K1 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define K2 "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
#define IX "aW5kZXhpbmRleGluZGV4aW5kZXhpbmRleGluZGV4aW4="

static struct arena arena;
static char path[] = "/tmp/test_vault_XXXXXX";

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 1 << 20);
	memcpy(path + sizeof path - 7, "XXXXXX", 6);
	int fd = mkstemp(path);
	return fd < 0 || close(fd);
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return unlink(path);
}

static enum err open_text(const char *text, mode_t mode, struct vault **out)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return vault_open(&arena, path, out);
}

static struct vault *vault_of(const char *text)
{
	struct vault *v;
	assert_int_equal(open_text(text, 0600, &v), ERR_NONE);
	assert_non_null(v);
	return v;
}

static void test_file(void **state)
{
	static const char *const bad[] = {
		"",
		"current k1\nkey k1 " K1 "\n", /* no index */
		"key k1 " K1 "\nindex " IX "\n",
		"current k2\nkey k1 " K1 "\nindex " IX "\n",
		"current k1\ncurrent k1\nkey k1 " K1 "\nindex " IX "\n",
		"current k1\nkey k1 " K1 "\nkey k1 " K2 "\nindex " IX "\n",
		"current k1\nkey k1 " K1 "\nindex " IX "\nindex " IX "\n",
		"current k1\nkey k1 MDEyMw==\nindex " IX "\n",
		"current k1\nkey k1 " K1 "=\nindex " IX "\n",
		"current k1\nkey k1\nindex " IX "\n",
		"current k1\nkey k1  " K1 "\nindex " IX "\n",
		"current k1 k1\nkey k1 " K1 "\nindex " IX "\n",
		"current k.1\nkey k.1 " K1 "\nindex " IX "\n",
		"current seventeen-symbols\nkey seventeen-symbols " K1 "\nindex " IX "\n",
		"keys k1\n",
		"{\"current\":\"k1\"}",
	};
	struct vault *v;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(open_text(bad[i], 0600, &v), ERR_CONFIG);
		assert_null(v);
	}
	const char *good = "# keys\n\ncurrent k1\r\nkey k1 " K1 "\nindex " IX;
	assert_int_equal(open_text(good, 0644, &v), ERR_CONFIG);
	assert_int_equal(open_text(good, 0620, &v), ERR_CONFIG);
	assert_int_equal(open_text(good, 0440, &v), ERR_NONE); /* a Kubernetes secret with fsGroup */
	assert_true(str_eq(vault_current_id(v), STR("k1")));
	assert_int_equal(vault_open(&arena, "/nonexistent/vault", &v), ERR_IO);
	vault_close(NULL);
}

static void test_wrapped_keys(void **state)
{
	unsigned char key[AES_KEY_BYTES], again[AES_KEY_BYTES];
	struct str wrapped, later;
	(void)state;
	struct vault *old = vault_of("current k1\nkey k1 " K1 "\nindex " IX "\n");
	assert_int_equal(vault_new_key(old, &arena, key, &wrapped), ERR_NONE);
	assert_true(str_eq(vault_key_id(wrapped), STR("k1")));
	struct vault *rotated = vault_of("current k2\nkey k1 " K1 "\nkey k2 " K2 "\nindex " IX "\n");
	assert_int_equal(vault_unwrap(rotated, wrapped, again), ERR_NONE);
	assert_memory_equal(key, again, sizeof key);
	assert_int_equal(vault_new_key(rotated, &arena, key, &later), ERR_NONE);
	assert_true(str_eq(vault_key_id(later), STR("k2")));
	assert_memory_not_equal(key, again, sizeof key);
	assert_int_equal(vault_unwrap(old, later, again), ERR_CRYPTO);
	char *altered = (char *)(uintptr_t)arena_str(&arena, wrapped).p;
	for (size_t i = 0; i < wrapped.n; i++) {
		altered[i] ^= 1;
		assert_int_equal(vault_unwrap(rotated, str_span(altered, wrapped.n), again), ERR_CRYPTO);
		altered[i] ^= 1;
		assert_int_equal(
		    vault_unwrap(rotated, str_span(arena_str(&arena, str_span(altered, i)).p, i), again), ERR_CRYPTO);
	}
	assert_int_equal(vault_unwrap(rotated, STR_NONE, again), ERR_CRYPTO);
	assert_null(vault_key_id(STR("\x03k1")).p);
	vault_close(old);
	assert_int_equal(vault_unwrap(old, wrapped, again), ERR_CRYPTO); /* wiped */
	vault_close(rotated);
}

static void test_fields(void **state)
{
	unsigned char key[AES_KEY_BYTES], other[AES_KEY_BYTES];
	struct str sealed, twice, plain, context = STR("donations.gift.donor_name");
	(void)state;
	crypto_random(key, sizeof key);
	crypto_random(other, sizeof other);
	assert_int_equal(field_seal(&arena, key, context, STR("张三"), &sealed), ERR_NONE);
	assert_int_equal(sealed.n, 1 + 12 + 6 + 16);
	assert_int_equal(field_seal(&arena, key, context, STR("张三"), &twice), ERR_NONE);
	assert_false(str_eq(sealed, twice));
	assert_int_equal(field_open(&arena, key, context, sealed, &plain), ERR_NONE);
	assert_true(str_eq(plain, STR("张三")));
	assert_int_equal(field_open(&arena, key, STR("donations.gift.message"), sealed, &plain), ERR_CRYPTO);
	assert_null(plain.p);
	assert_int_equal(field_open(&arena, other, context, sealed, &plain), ERR_CRYPTO);
	for (size_t n = 0; n < sealed.n; n++)
		assert_int_equal(
		    field_open(&arena, key, context, arena_str(&arena, str_span(sealed.p, n)), &plain), ERR_CRYPTO);
	assert_int_equal(field_seal(&arena, key, context, STR_NONE, &sealed), ERR_NONE);
	assert_int_equal(field_open(&arena, key, context, sealed, &plain), ERR_NONE);
	assert_int_equal(plain.n, 0);
	struct str long_context = arena_printf(&arena, "%257s", "");
	assert_int_equal(field_seal(&arena, key, long_context, STR("x"), &sealed), ERR_CRYPTO);
}

static void test_secrets(void **state)
{
	struct str sealed, plain, wrapped;
	unsigned char key[AES_KEY_BYTES];
	(void)state;
	struct vault *v = vault_of("current k1\nkey k1 " K1 "\nindex " IX "\n");
	assert_int_equal(vault_seal(v, &arena, STR("identity.totp"), STR("seed"), &sealed), ERR_NONE);
	assert_true(str_eq(vault_key_id(sealed), STR("k1")));
	assert_int_equal(vault_unseal(v, &arena, STR("identity.totp"), sealed, &plain), ERR_NONE);
	assert_true(str_eq(plain, STR("seed")));
	assert_int_equal(vault_unseal(v, &arena, STR("identity.session"), sealed, &plain), ERR_CRYPTO);
	assert_int_equal(vault_unwrap(v, sealed, key), ERR_CRYPTO);
	/* a wrapped key is not a secret, although both lie under the same key */
	assert_int_equal(vault_new_key(v, &arena, key, &wrapped), ERR_NONE);
	assert_int_equal(vault_unseal(v, &arena, STR_NONE, wrapped, &plain), ERR_CRYPTO);
	char *relabelled = (char *)(uintptr_t)arena_str(&arena, wrapped).p;
	relabelled[0] = 2;
	assert_int_equal(vault_unseal(v, &arena, STR_NONE, str_span(relabelled, wrapped.n), &plain), ERR_CRYPTO);
	vault_close(v);
}

static void test_blind_index(void **state)
{
	(void)state;
	struct vault *old = vault_of("current k1\nkey k1 " K1 "\nindex " IX "\n");
	struct vault *rotated = vault_of("current k2\nkey k2 " K2 "\nindex " IX "\n");
	struct vault *foreign = vault_of("current k1\nkey k1 " K1 "\nindex " K2 "\n");
	struct str first = blind_index(old, &arena, STR("phone"), STR("13812341234"));
	assert_int_equal(first.n, 64);
	assert_true(str_eq(first, blind_index(rotated, &arena, STR("phone"), STR("13812341234"))));
	assert_false(str_eq(first, blind_index(foreign, &arena, STR("phone"), STR("13812341234"))));
	assert_false(str_eq(first, blind_index(old, &arena, STR("email"), STR("13812341234"))));
	assert_false(
	    str_eq(blind_index(old, &arena, STR("a"), STR("bc")), blind_index(old, &arena, STR("ab"), STR("c"))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrapped_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blind_index, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
