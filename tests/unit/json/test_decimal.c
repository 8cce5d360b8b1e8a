/* Exact decimals: order, wholeness and multiples, where doubles fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/core/check.h"
#include "common/json/decimal.h"

static struct decimal of(const char *text)
{
	struct decimal d;
	assert_true(decimal_parse(str_of(text), &d));
	return d;
}

static void order(void **state)
{
	(void)state;
	static const char *const ascending[] = { "-1e308", "-10.5", "-10", "-9.999", "-1e-9", "0", "1e-300", "0.07",
		"0.070001", "0.1", "1", "1.5", "9.99", "10", "9007199254740992", "9007199254740993",
		"9223372036854775807", "9223372036854775808", "1e20", "1e300" };
	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t j = 0; j < ARRAY_LEN(ascending); j++) {
			struct decimal a = of(ascending[i]), b = of(ascending[j]);
			int c = decimal_cmp(&a, &b);
			assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
		}
	struct decimal a = of("-0.0"), b = of("0"), c = of("1.10"), d = of("110e-2");
	assert_int_equal(decimal_cmp(&a, &b), 0);
	assert_int_equal(decimal_cmp(&c, &d), 0);
}

static void multiples(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool yes;
	} cases[] = { { "0.07", "0.01", true }, { "19.99", "0.01", true }, { "0.075", "0.01", false },
		{ "4.5", "1.5", true }, { "35", "1.5", false }, { "0", "7", true }, { "-14", "7", true },
		{ "1e300", "7", false }, { "1e300", "8", true }, { "9007199254740993", "2", false },
		{ "12391239123", "1e-8", true }, { "0.00751", "0.0001", false }, { "1e308", "0.123456789", false },
		{ "10", "100", false }, { "100", "1e2", true } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct decimal a = of(cases[i].a), b = of(cases[i].b);
		assert_true(decimal_fits_divisor(&b));
		if (decimal_is_multiple(&a, &b) != cases[i].yes) print_message("%s %s\n", cases[i].a, cases[i].b);
		assert_int_equal(decimal_is_multiple(&a, &b), cases[i].yes);
	}
	struct decimal zero = of("0"), negative = of("-1"), wide = of("1234567890123456789");
	assert_false(decimal_fits_divisor(&zero));
	assert_false(decimal_fits_divisor(&negative));
	assert_false(decimal_fits_divisor(&wide));
}

static void wholeness(void **state)
{
	(void)state;
	struct decimal a = of("1.0"), b = of("1e-1"), c = of("-0.0"), d = of("123e-2");
	assert_true(decimal_is_whole(&a));
	assert_false(decimal_is_whole(&b));
	assert_true(decimal_is_whole(&c));
	assert_false(decimal_is_whole(&d));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(order), cmocka_unit_test(multiples),
		cmocka_unit_test(wholeness) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
