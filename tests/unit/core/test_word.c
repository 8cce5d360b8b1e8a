/* Eight bytes at a time must say what one byte at a time says; and what hex, UUIDs and hashes of a key's end are built on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/core/id.h"
#include "common/core/map.h"
#include "common/core/word.h"

/* Every byte at every place, among neighbours on both sides of each limit. */
static void test_words(void **state)
{
	static const unsigned char around[] = { 0x00, 0x1f, 0x20, 'A', 'Z', 'a', '@', '[', 0x7f, 0x80, 0xff };
	(void)state;
	for (size_t k = 0; k < sizeof around; k++)
		for (int c = 0; c < 256; c++)
			for (int at = 0; at < 8; at++) {
				char text[8];
				bool less = c < 0x20 || around[k] < 0x20, quote = c == '"' || around[k] == '"';
				memset(text, around[k], 8);
				text[at] = (char)c;
				uint64_t word = word_load(text), lower = word_lower(word);
				assert_int_equal(word_has_less(word, 0x20), less);
				assert_int_equal(word_has(word, '"'), quote);
				char got[8];
				memcpy(got, &lower, 8);
				for (int i = 0; i < 8; i++) {
					char want = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
					assert_int_equal(got[i], want);
				}
			}
}

static void test_equal_without_case(void **state)
{
	const char upper[] = "X-YANGGUANG-IDENTITY@[", lower[] = "x-yangguang-identity@[";
	(void)state;
	for (size_t n = 0; n < sizeof upper; n++) {
		char other[sizeof lower];
		assert_true(str_eq_ci(str_span(upper, n), str_span(lower, n)));
		assert_false(n && str_eq_ci(str_span(upper, n), str_span(lower, n - 1)));
		for (size_t i = 0; i < n; i++) {
			memcpy(other, lower, sizeof other);
			other[i] ^= 0x40; /* a letter's case stays, the letter goes; '@' and '[' too */
			assert_false(str_eq_ci(str_span(upper, n), str_span(other, n)));
		}
	}
	assert_false(str_eq_ci(STR("12345678@"), STR("12345678`")));
	assert_false(str_eq_ci(STR("[2345678"), STR("{2345678")));
}

/* Every pair of bytes at every place. */
static void test_every_pair_without_case(void **state)
{
	static const size_t lengths[] = { 1, 3, 4, 5, 8, 13, 16, 17, 25 };
	(void)state;
	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
		for (size_t at = 0; at < lengths[k]; at++)
			for (int pair = 0; pair < 65536; pair++) {
				char a[25], b[25], x = (char)(pair & 255), y = (char)(pair >> 8);
				memset(a, 'q', sizeof a);
				memset(b, 'Q', sizeof b);
				a[at] = x, b[at] = y;
				bool letters = ((x | 32) >= 'a' && (x | 32) <= 'z' && (x ^ y) == 32),
				     same = x == y || letters;
				if (str_same_ci(a, b, lengths[k]) != same)
					fail_msg("%02x %02x at %zu of %zu", pair & 255, pair >> 8, at, lengths[k]);
			}
}

static void test_runs(void **state)
{
	char text[41];
	(void)state;
	for (size_t n = 0; n <= 40; n++)
		for (size_t at = 0; at < n; at++)
			for (int c = 0; c < 256; c++) {
				memset(text, 'a', sizeof text);
				text[at] = (char)c;
				size_t run = word_run(text, n, 0x1f, 0x7f);
				bool stop = c <= 0x1f || c == 0x7f;
				assert_true(run <= (stop ? at : n));
				assert_true(run + 8 > (stop ? at : n));
			}
	assert_int_equal(word_run(NULL, 0, 0x1f, 0x7f), 0);
}

static bool is_of_names(int c, bool dots)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' ||
	       c == '/' || (dots && c == '.');
}

static void test_name_runs(void **state)
{
	char text[51];
	(void)state;
	for (size_t n = 0; n <= 50; n++)
		for (size_t at = 0; at < n; at++)
			for (int c = 0; c < 512; c++) {
				bool dots = c >= 256;
				memset(text, 'a', sizeof text);
				text[at] = (char)c;
				size_t run = word_name_run(text, n, dots), end = is_of_names(c & 255, dots) ? n : at;
				assert_true(run <= end);
				assert_true(run + 16 > end);
			}
	assert_int_equal(word_name_run(NULL, 0, true), 0);
}

static void test_ids(void **state)
{
	char hex[512], uuid[UUID_TEXT_BYTES], want[3];
	unsigned char bytes[256], back[256];
	(void)state;
	for (int i = 0; i < 256; i++) bytes[i] = (unsigned char)i;
	id_hex(bytes, sizeof bytes, hex);
	for (int i = 0; i < 256; i++) {
		snprintf(want, sizeof want, "%02x", (unsigned)i);
		assert_memory_equal(hex + 2 * i, want, 2);
	}
	assert_true(id_unhex(str_span(hex, sizeof hex), back, sizeof back));
	assert_memory_equal(bytes, back, sizeof back);
	id_uuid7(uuid);
	assert_true(id_is_uuid(str_span(uuid, sizeof uuid)));
	assert_int_equal(uuid[14], '7');
	for (size_t i = 0; i < sizeof uuid; i++) {
		char was = uuid[i];
		uuid[i] = was == '-' ? '0' : 'g';
		assert_false(id_is_uuid(str_span(uuid, sizeof uuid)));
		uuid[i] = was;
	}
	assert_true(id_noise() != id_noise());
}

/* Keys with one end and one length share a hash, and are still told apart. */
static void test_hash_of_the_end(void **state)
{
	struct lru c;
	(void)state;
	lru_init(&c, 8, 64, sizeof(int));
	lru_hash_end(&c, 4);
	*(int *)lru_put(&c, STR("aaaa.same")) = 1;
	*(int *)lru_put(&c, STR("bbbb.same")) = 2;
	*(int *)lru_put(&c, STR("me")) = 3;
	assert_int_equal(*(int *)lru_get(&c, STR("aaaa.same")), 1);
	assert_int_equal(*(int *)lru_get(&c, STR("bbbb.same")), 2);
	assert_int_equal(*(int *)lru_get(&c, STR("me")), 3);
	assert_null(lru_get(&c, STR("cccc.same")));
	assert_null(lru_get(&c, STR("same")));
	lru_remove(&c, STR("aaaa.same"));
	assert_null(lru_get(&c, STR("aaaa.same")));
	assert_int_equal(*(int *)lru_get(&c, STR("bbbb.same")), 2);
	lru_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_equal_without_case),
		cmocka_unit_test(test_every_pair_without_case),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_name_runs),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_hash_of_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
