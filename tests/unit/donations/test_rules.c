/* What is shown of a donor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/donations/rules.h"

static struct arena arena;

static const char *shown(const char *disclosure, const char *alias, const char *name, struct str *out)
{
	struct gift_names n = { str_of(disclosure), str_of(alias), str_of(name) };
	return rules_shown_name(&arena, &n, out);
}

static void hides_by_default(void **state)
{
	(void)state;
	struct str s;
	assert_null(shown(NULL, NULL, NULL, &s));
	assert_null(s.p);
	assert_null(shown("ANONYMOUS", NULL, "张三丰", &s)); /* known to us, shown to nobody */
	assert_null(s.p);
}

static void shows_an_alias(void **state)
{
	(void)state;
	struct str s;
	assert_null(shown("ALIAS", "小草", NULL, &s));
	assert_true(str_eq(s, STR("小草")));
	assert_string_equal(shown("ALIAS", NULL, "张三丰", &s), "gift-alias-missing");
	assert_string_equal(shown("NAMED", "小草", "张三丰", &s), "gift-alias-unexpected");
	assert_string_equal(shown(NULL, "小草", NULL, &s), "gift-alias-unexpected");
}

static void masks_a_name(void **state)
{
	(void)state;
	struct str s;
	assert_null(shown("NAMED", NULL, "张三丰", &s));
	assert_true(str_eq(s, STR("张**")));
	assert_string_equal(shown("NAMED", NULL, NULL, &s), "gift-name-missing");
}

static void refuses_what_cannot_be_shown(void **state)
{
	(void)state;
	struct str s;
	assert_string_equal(shown("ALIAS", "a\nb", NULL, &s), "gift-name-unusable");
	assert_string_equal(shown("ALIAS", "\xe3\x80\x80 ", NULL, &s), "gift-name-unusable"); /* spaces only */
	assert_string_equal(shown("ALIAS",
				"a\xe2\x80\xae"
				"b",
				NULL, &s),
	    "gift-name-unusable"); /* right-to-left override */
	assert_string_equal(shown("NAMED", NULL, "\xff", &s), "gift-name-unusable");
}

static int release(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

int main(void)
{
	arena_init(&arena, 1024, 1 << 20);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hides_by_default),
		cmocka_unit_test(shows_an_alias),
		cmocka_unit_test(masks_a_name),
		cmocka_unit_test(refuses_what_cannot_be_shown),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
