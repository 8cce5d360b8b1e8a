/* Purge messages as they come, and as nobody should send them. */
#include "common/cache/purge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_tags(void **state)
{
	struct purge_message m;
	struct str tag;
	(void)state;
	assert_true(purge_message_read(STR("p 1764000000000001 campaigns gift:A"), &m));
	assert_true(m.kind == PURGE_TAGS && m.seq == 1764000000000001);
	assert_true(purge_message_tag(&m, &tag) && str_eq(tag, STR("campaigns")));
	assert_true(purge_message_tag(&m, &tag) && str_eq(tag, STR("gift:A")));
	assert_false(purge_message_tag(&m, &tag));
	assert_true(purge_message_read(STR("p 5 a,b  \x01 c"), &m)); /* what is no tag is left out */
	assert_true(purge_message_tag(&m, &tag) && str_eq(tag, STR("c")));
	assert_false(purge_message_tag(&m, &tag));
}

static void test_others(void **state)
{
	struct purge_message m;
	(void)state;
	assert_true(purge_message_read(STR("h 17"), &m) && m.kind == PURGE_BEAT && m.seq == 17);
	assert_true(purge_message_read(STR("f 00112233445566778899aabbccddeeff"), &m) && m.kind == PURGE_FILLED);
	assert_true(purge_message_read(STR("n 00112233445566778899aabbccddeeff"), &m) && m.kind == PURGE_NOT_FILLED);
	assert_int_equal(m.rest.n, 32);
}

static void test_nonsense(void **state)
{
	static const char *const texts[] = { "", "p", "p ", "p 1", "p 1 ", "p 0 a", "p -1 a", "p x a", "p  a", "h",
		"h 1 2", "h 0", "h 9999999999999999999", "f ", "f 0011", "f 00112233445566778899AABBCCDDEEFF",
		"f 00112233445566778899aabbccddeeff0", "x 1 a", "pp 1 a", "{\"tags\":[\"a\"]}" };
	struct purge_message m;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (purge_message_read(str_of(texts[i]), &m)) fail_msg("taken: %s", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_nonsense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
