/* Kinds, scopes and units: borders where a careless prefix test would let somebody in. */
#include "common/auth/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_kinds(void **state)
{
	enum principal_kind k;
	(void)state;
	for (int i = PRINCIPAL_ANONYMOUS; i <= PRINCIPAL_SYSTEM; i++) {
		assert_true(principal_kind_parse(principal_kind_name((enum principal_kind)i), &k));
		assert_int_equal(k, i);
	}
	assert_false(principal_kind_parse(STR("Staff"), &k));
	assert_false(principal_kind_parse(STR("staf"), &k));
	assert_false(principal_kind_parse(STR_NONE, &k));
}

static void test_scopes(void **state)
{
	(void)state;
	assert_true(scope_has(STR("gift.read gift.write"), STR("gift.read")));
	assert_true(scope_has(STR("gift.read gift.write"), STR("gift.write")));
	assert_false(scope_has(STR("gift.read gift.write"), STR("gift")));
	assert_false(scope_has(STR("gift.readall"), STR("gift.read")));
	assert_false(scope_has(STR("gift.read gift.write"), STR("gift.read gift.write")));
	assert_false(scope_has(STR("a  b"), STR("")));
	assert_false(scope_has(STR("a"), STR_NONE));
	assert_false(scope_has(STR_NONE, STR("a")));
}

static void test_organizations(void **state)
{
	(void)state;
	assert_true(organization_within(STR("4412"), STR("4412")));
	assert_true(organization_within(STR("4412/441223"), STR("4412")));
	assert_true(organization_within(STR("4412/441223/7"), STR("4412/441223")));
	assert_false(organization_within(STR("4412"), STR("4412/441223")));
	assert_false(organization_within(STR("4412/44120"), STR("4412/4412")));
	assert_false(organization_within(STR("44120"), STR("4412")));
	assert_false(organization_within(STR("4412/"), STR("4412")));
	assert_false(organization_within(STR("4412/441223"), STR("")));
	assert_false(organization_within(STR_NONE, STR_NONE));
	assert_false(organization_within(STR_NONE, STR("4412")));
}

static void test_valid(void **state)
{
	static const char *const bad_parts[] = { "", "-", "a.b", "a b", "a\n", "张", "a%", "\x7f" };
	(void)state;
	struct principal p = { .kind = PRINCIPAL_STAFF, .subject = STR("a-b_c:d/9"), .scopes = STR("gift.read a:b") };
	assert_true(principal_is_valid(&p));
	for (size_t i = 0; i < ARRAY_LEN(bad_parts); i++) {
		struct principal q = p;
		q.client = str_of(bad_parts[i]);
		assert_false(principal_is_valid(&q));
	}
	static const char *const bad_scopes[] = { " a", "a ", "a  b", "a\"", "a\\", "a\tb", "é" };
	for (size_t i = 0; i < ARRAY_LEN(bad_scopes); i++) {
		p.scopes = str_of(bad_scopes[i]);
		assert_false(principal_is_valid(&p));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_organizations),
		cmocka_unit_test(test_valid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
