/* RFC 4648 vectors, and every way in which a text may be a second spelling of the same bytes. */
#include "common/crypto/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/core/arena.h"

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

static void assert_str(struct str s, const char *expected)
{
	assert_true(str_eq(s, str_of(expected)));
}

static void test_vectors(void **state)
{
	static const char *const rows[][4] = {
		{ "", "", "", "" },
		{ "f", "Zg==", "Zg", "MY" },
		{ "fo", "Zm8=", "Zm8", "MZXQ" },
		{ "foo", "Zm9v", "Zm9v", "MZXW6" },
		{ "foob", "Zm9vYg==", "Zm9vYg", "MZXW6YQ" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE", "MZXW6YTB" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy", "MZXW6YTBOI" },
		{ "\xfb\xff\xfe", "+//+", "-__-", "7P774" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str plain = str_of(rows[i][0]), out;
		assert_str(base64_encode(&arena, plain), rows[i][1]);
		assert_str(base64url_encode(&arena, plain), rows[i][2]);
		assert_str(base32_encode(&arena, plain), rows[i][3]);
		assert_int_equal(base64_decode(&arena, str_of(rows[i][1]), &out), ERR_NONE);
		assert_true(str_eq(out, plain));
		assert_int_equal(base64url_decode(&arena, str_of(rows[i][2]), &out), ERR_NONE);
		assert_true(str_eq(out, plain));
		assert_int_equal(base32_decode(&arena, str_of(rows[i][3]), &out), ERR_NONE);
		assert_true(str_eq(out, plain));
	}
}

static void test_refused(void **state)
{
	static const char *const standard[] = { "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8==", "=",
		"==", "====", "Z===", " Zg==", "Zg==\n", "Z g==", "Zg==Zg==", "-__-", "Zm9v=", "Zm9v====", "Zg=a",
		"\xff\xff\xff\xff" };
	static const char *const url[] = { "Z", "Zh", "Zm9", "Zg==", "Zm9v=", "+//+", "Zm 9v", "Zm9vY", "Zm9v\n" };
	static const char *const thirty_two[] = { "MZ", "M", "MZX", "my", "MY======", "MZXW6Y", "M1", "MY\n",
		"MZXW6YTBO", "A" };
	struct str out;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(standard); i++)
		assert_int_equal(base64_decode(&arena, str_of(standard[i]), &out), ERR_SYNTAX);
	for (size_t i = 0; i < ARRAY_LEN(url); i++)
		assert_int_equal(base64url_decode(&arena, str_of(url[i]), &out), ERR_SYNTAX);
	for (size_t i = 0; i < ARRAY_LEN(thirty_two); i++)
		assert_int_equal(base32_decode(&arena, str_of(thirty_two[i]), &out), ERR_SYNTAX);
	assert_int_equal(base64url_decode(&arena, str_span("Zm9v\0", 5), &out), ERR_SYNTAX);
}

static void test_all_lengths(void **state)
{
	char bytes[200];
	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 151 + 7);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		struct str plain = { bytes, n }, out;
		assert_int_equal(base64_decode(&arena, base64_encode(&arena, plain), &out), ERR_NONE);
		assert_true(str_eq(out, plain));
		assert_int_equal(base64url_decode(&arena, base64url_encode(&arena, plain), &out), ERR_NONE);
		assert_true(str_eq(out, plain));
		assert_int_equal(base32_decode(&arena, base32_encode(&arena, plain), &out), ERR_NONE);
		assert_true(str_eq(out, plain));
	}
}

static void test_full_arena(void **state)
{
	struct arena small;
	struct str out;
	(void)state;
	arena_init(&small, 16, 16);
	assert_null(base64_encode(&small, STR("more than sixteen bytes")).p);
	assert_int_equal(base64_decode(&small, STR("Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy"), &out), ERR_MEMORY);
	arena_release(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vectors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_arena, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
