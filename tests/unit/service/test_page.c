/* Keys of a cursor: whatever a key holds comes back as it was, what does not fit is refused, and no bytes of an outsider are misread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/service/runtime.h"

static void assert_same(struct str a, struct str b)
{
	assert_true(a.p ? b.p && str_eq(a, b) : !b.p);
}

static void test_round_trip(void **state)
{
	(void)state;
	const struct page_key keys[] = {
		{ STR("at"), STR("2026-11-24 08:30:00.123456+08") },
		{ STR("title"), STR("a=b\nc=d\0e") },
		{ STR("empty"), STR("") },
		{ STR("null"), STR_NONE },
	};
	char bytes[CURSOR_BYTES_MAX];
	struct page_key read[PAGE_KEYS_MAX];
	unsigned count;
	size_t n;
	assert_int_equal(page_keys_write(keys, ARRAY_LEN(keys), bytes, &n), ERR_NONE);
	assert_int_equal(page_keys_read(str_span(bytes, n), read, &count), ERR_NONE);
	assert_int_equal(count, ARRAY_LEN(keys));
	for (unsigned i = 0; i < count; i++) {
		assert_same(keys[i].name, read[i].name);
		assert_same(keys[i].value, read[i].value);
	}
}

static void test_too_long_is_refused(void **state)
{
	(void)state;
	static char text[70000];
	char bytes[CURSOR_BYTES_MAX];
	size_t n;
	memset(text, 'x', sizeof text);
	struct page_key key = { STR("t"), str_span(text, CURSOR_BYTES_MAX - 4) };
	assert_int_equal(page_keys_write(&key, 1, bytes, &n), ERR_NONE);
	assert_int_equal(n, CURSOR_BYTES_MAX);
	key.value.n++;
	assert_int_equal(page_keys_write(&key, 1, bytes, &n), ERR_PAYLOAD_TOO_LARGE);
	key.value.n = sizeof text;
	assert_int_equal(page_keys_write(&key, 1, bytes, &n), ERR_PAYLOAD_TOO_LARGE);
	key = (struct page_key){ str_span(text, 256), STR("") };
	assert_int_equal(page_keys_write(&key, 1, bytes, &n), ERR_PAYLOAD_TOO_LARGE);
	struct page_key many[PAGE_KEYS_MAX + 1];
	for (unsigned i = 0; i < ARRAY_LEN(many); i++) many[i] = (struct page_key){ STR("k"), STR("v") };
	struct page_key read[PAGE_KEYS_MAX];
	unsigned count;
	assert_int_equal(page_keys_write(many, ARRAY_LEN(many), bytes, &n), ERR_NONE);
	assert_int_equal(page_keys_read(str_span(bytes, n), read, &count), ERR_CURSOR_MISMATCH);
}

/* Every prefix of good bytes, and noise: an answer or a refusal, never a byte beyond (the sanitizer build watches). */
static void test_noise(void **state)
{
	(void)state;
	const struct page_key keys[] = { { STR("a"), STR("one") }, { STR("b"), STR_NONE }, { STR("c"), STR("three") } };
	char bytes[CURSOR_BYTES_MAX];
	struct page_key read[PAGE_KEYS_MAX];
	unsigned count, good = 0;
	size_t n;
	assert_int_equal(page_keys_write(keys, ARRAY_LEN(keys), bytes, &n), ERR_NONE);
	for (size_t cut = 0; cut <= n; cut++) {
		char *exact = malloc(cut + 1);
		assert_non_null(exact);
		memcpy(exact, bytes, cut);
		good += page_keys_read(str_span(exact, cut), read, &count) == ERR_NONE;
		free(exact);
	}
	assert_int_equal(good, 4); /* nothing, and behind each key */
	srand(7);
	for (int round = 0; round < 20000; round++) {
		size_t length = (size_t)(rand() % 40);
		char *noise = malloc(length + 1);
		assert_non_null(noise);
		for (size_t i = 0; i < length; i++) noise[i] = (char)(rand() % 6 ? rand() % 4 : rand());
		enum err e = page_keys_read(str_span(noise, length), read, &count);
		assert_true(e == ERR_NONE || e == ERR_CURSOR_MISMATCH);
		for (unsigned i = 0; i < count && e == ERR_NONE; i++)
			assert_true(read[i].name.p + read[i].name.n <= noise + length);
		free(noise);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_too_long_is_refused),
		cmocka_unit_test(test_noise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
