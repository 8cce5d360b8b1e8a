/* Fields, languages, hop-by-hop names, problem bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/http/message.h"
#include "common/http/problem.h"

static void test_fields(void **state)
{
	const struct http_field items[] = { { STR("Accept"), STR("a/b;q=1, c/d") }, { STR("X"), STR("1") },
		{ STR("x"), STR("2") } };
	struct http_fields f = { items, 3 };
	(void)state;
	assert_true(str_eq(http_get(f, STR("x")), STR("1")));
	assert_null(http_get(f, STR("y")).p);
	assert_int_equal(http_count(f, STR("X")), 2);
	assert_true(http_list_has(f, STR("accept"), STR("A/B")));
	assert_true(http_list_has(f, STR("accept"), STR("c/d")));
	assert_false(http_list_has(f, STR("accept"), STR("a")));
}

static void test_language(void **state)
{
	static const struct {
		const char *accept;
		enum language language;
	} rows[] = { { NULL, LANGUAGE_ZH }, { "", LANGUAGE_ZH }, { "en", LANGUAGE_EN },
		{ "en-GB,en;q=0.9", LANGUAGE_EN }, { "zh-CN,zh;q=0.9,en;q=0.8", LANGUAGE_ZH },
		{ "en;q=0.8, zh;q=0.9", LANGUAGE_ZH }, { "en;q=0.9, zh;q=0.8", LANGUAGE_EN }, { "en, zh", LANGUAGE_ZH },
		{ "fr", LANGUAGE_ZH }, { "*", LANGUAGE_ZH }, { "en;q=0", LANGUAGE_ZH }, { "en, *;q=0.5", LANGUAGE_EN },
		{ "en;q=0.5, *", LANGUAGE_ZH }, { "en;q=2", LANGUAGE_ZH }, { "en;q=1.001", LANGUAGE_ZH },
		{ "english", LANGUAGE_ZH }, { "EN-us", LANGUAGE_EN }, { ",,en;q=0.001,,", LANGUAGE_EN } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_field item = { STR("accept-language"), str_of(rows[i].accept) };
		struct http_fields f = { &item, rows[i].accept ? 1 : 0 };
		if (http_language(f) != rows[i].language) fail_msg("%s", rows[i].accept);
	}
}

static void test_hop_by_hop(void **state)
{
	(void)state;
	assert_true(http_is_hop_by_hop(STR("Connection"), STR_NONE));
	assert_true(http_is_hop_by_hop(STR("TE"), STR_NONE));
	assert_true(http_is_hop_by_hop(STR("proxy-authorization"), STR_NONE));
	assert_true(http_is_hop_by_hop(STR("X-Secret"), STR("close, x-secret")));
	assert_false(http_is_hop_by_hop(STR("Content-Type"), STR("close")));
	assert_true(str_eq(http_reason(404), STR("Not Found")));
	assert_true(str_eq(http_reason(299), STR("")));
}

static void test_problem_body(void **state)
{
	struct buf out;
	struct arena a;
	struct violations v;
	(void)state;
	buf_init(&out, 4096);
	arena_init(&a, 512, 1 << 16);
	violations_init(&v, &a);
	violations_add(&v, STR("/amount_fen"), STR_NONE, "minimum", STR("must be at least 1"), STR("不得小于 1"));
	violations_add(&v, STR_NONE, STR("query.limit"), "maximum", STR("too large"), STR("过大"));
	struct problem p = { .err = ERR_VALIDATION_FAILED, .violations = v.first, .detail = STR("two \"wrong\"") };
	problem_write(&out, &p, LANGUAGE_EN, STR("r1"));
	buf_char(&out, 0);
	assert_string_equal(out.p,
	    "{\"type\":\"/problems/validation-failed\",\"title\":\"Some values are not valid\",\"status\":422,"
	    "\"detail\":\"two "
	    "\\\"wrong\\\"\",\"instance\":\"urn:request:r1\",\"code\":\"validation-failed\",\"errors\":["
	    "{\"pointer\":\"/amount_fen\",\"code\":\"minimum\",\"detail\":\"must be at least 1\"},"
	    "{\"parameter\":\"query.limit\",\"code\":\"maximum\",\"detail\":\"too large\"}],\"trace_id\":\"r1\"}");
	buf_reset(&out);
	p = (struct problem){
		.err = ERR_NOT_FOUND, .slug = STR("gift-gone"), .status = 410, .title = { STR("没了"), STR("Gone") }
	};
	problem_write(&out, &p, LANGUAGE_ZH, STR_NONE);
	buf_char(&out, 0);
	assert_string_equal(
	    out.p, "{\"type\":\"/problems/gift-gone\",\"title\":\"没了\",\"status\":410,\"code\":\"gift-gone\"}");
	buf_free(&out);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_language),
		cmocka_unit_test(test_hop_by_hop),
		cmocka_unit_test(test_problem_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
