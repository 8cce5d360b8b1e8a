/* Tags of an exchange: from the contract's templates, the path, and the service's Cache-Tag. */
#include "gateway/cache/operation_tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct parameter parameters[] = { { .in = IN_PATH, .name = { "id", 2 } } };
static const struct str templates[] = { { "campaigns", 9 }, { "campaign:{id}", 13 } };
static const struct operation operation = { .parameters = parameters,
	.parameter_count = 1,
	.cache_tags = templates,
	.cache_tag_count = 2,
	.purges = templates,
	.purge_count = 2 };

static bool answer_tags(const char *id, const char *field, struct operation_tags *out, unsigned most)
{
	static struct arena a;
	struct str value = str_of(id);
	struct http_field f = { STR("Cache-Tag"), str_of(field ? field : "") };
	arena_release(&a);
	arena_init(&a, 1024, 1 << 16);
	return operation_tags_of_answer(
	    &operation, &value, 1, (struct http_fields){ &f, field ? 1 : 0 }, &a, most, out);
}

static void test_answer(void **state)
{
	struct operation_tags t;
	(void)state;
	assert_true(answer_tags("7", NULL, &t, TAGS_PER_ENTRY_MAX));
	assert_true(t.count == 2 && str_eq(t.items[0], STR("campaigns")) && str_eq(t.items[1], STR("campaign:7")));
	assert_true(answer_tags("7", "gift:A, gift:B,,", &t, TAGS_PER_ENTRY_MAX));
	assert_true(t.count == 4 && str_eq(t.items[3], STR("gift:B")));
	assert_false(answer_tags("7", "gift:A, gift:B", &t, 3)); /* more than there is room for: not kept */
	assert_false(answer_tags("7", NULL, &t, 1));
	assert_false(answer_tags("a b", NULL, &t, TAGS_PER_ENTRY_MAX)); /* no tag can say it: not kept */
	assert_false(answer_tags("7", "a b", &t, TAGS_PER_ENTRY_MAX));
	assert_false(answer_tags("7", "*", &t, TAGS_PER_ENTRY_MAX));
}

static void test_purge(void **state)
{
	struct arena a;
	struct operation_tags t;
	struct str id = STR("7"), bad = STR("a b");
	(void)state;
	arena_init(&a, 1024, 1 << 16);
	operation_tags_to_purge(&operation, &id, 1, &a, &t);
	assert_true(t.count == 2 && str_eq(t.items[1], STR("campaign:7")));
	operation_tags_to_purge(&operation, &bad, 1, &a, &t);
	assert_true(t.count == 1 && str_eq(t.items[0], STR("campaigns")));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_purge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
