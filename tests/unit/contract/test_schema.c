/* What the official suite does not ask: pointers, messages in two languages, our formats, exact numbers, bounded work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/contract/schema.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 16, 64 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static const struct json *json(const char *text)
{
	const struct json *v;
	struct json_error error;
	enum err e = json_read(&arena, str_of(text), 64, &v, &error);
	if (e) print_message("%s: %s at %zu\n", text, error.code, error.offset);
	assert_int_equal(e, ERR_NONE);
	return v;
}

static const struct schema *compile(const char *text)
{
	const struct json *root = json(text);
	const struct schema *s;
	struct buf report;
	buf_init(&report, 4096);
	enum err e = schema_compile(&arena, root, root, NULL, NULL, &s, &report);
	if (e) print_message("%s: %.*s\n", text, STR_FMT(buf_view(&report)));
	assert_int_equal(e, ERR_NONE);
	buf_free(&report);
	return s;
}

static void each_violation_has_pointer_code_and_words(void **state)
{
	(void)state;
	static const struct {
		const char *schema, *value, *pointer, *code, *en, *zh;
	} cases[] = {
		{ "{\"minimum\":1}", "0", "", "minimum", "must be at least 1", "不得小于 1" },
		{ "{\"maximum\":10000000000000}", "10000000000001", "", "maximum", "must be at most 10000000000000",
		    "不得大于 10000000000000" },
		{ "{\"exclusiveMinimum\":0}", "0", "", "exclusiveMinimum", "must be more than 0", "必须大于 0" },
		{ "{\"exclusiveMaximum\":1}", "1.0", "", "exclusiveMaximum", "must be less than 1", "必须小于 1" },
		{ "{\"multipleOf\":0.01}", "1.005", "", "multipleOf", "must be a multiple of 0.01",
		    "必须是 0.01 的倍数" },
		{ "{\"type\":\"integer\"}", "1.5", "", "type", "must be a whole number", "必须是整数" },
		{ "{\"type\":[\"string\",\"null\"]}", "1", "", "type", "must be a string or null",
		    "必须是字符串或null" },
		{ "{\"minLength\":1}", "\"\"", "", "minLength", "must not be empty", "不能为空" },
		{ "{\"minLength\":2}", "\"中\"", "", "minLength", "must have at least 2 characters",
		    "长度不得少于 2 个字符" },
		{ "{\"maxLength\":2}", "\"中文字\"", "", "maxLength", "must have at most 2 characters",
		    "长度不得超过 2 个字符" },
		{ "{\"pattern\":\"^a$\"}", "\"b\"", "", "pattern", "must match ^a$", "格式不正确，须匹配 ^a$" },
		{ "{\"enum\":[\"A\",\"B\",3]}", "\"C\"", "", "enum", "must be one of A, B, 3",
		    "必须是以下值之一：A、B、3" },
		{ "{\"required\":[\"a\"]}", "{}", "/a", "required", "is required", "必填" },
		{ "{\"additionalProperties\":false}", "{\"a/b~c\":1}", "/a~1b~0c", "additionalProperties",
		    "is not known here", "未定义的字段" },
		{ "{\"properties\":{\"l\":{\"items\":{\"type\":\"string\"}}}}", "{\"l\":[\"a\",\"b\",3]}", "/l/2",
		    "type", "must be a string", "必须是字符串" },
		{ "{\"maxItems\":1}", "[1,2]", "", "maxItems", "must have at most 1 items", "最多允许 1 项" },
		{ "{\"uniqueItems\":true}", "[1,2,1.0]", "/2", "uniqueItems", "is in the list already",
		    "列表中有重复项" },
		{ "{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "/b", "dependentRequired",
		    "is required together with a", "与 a 一并填写时必填" },
		{ "{\"anyOf\":[{\"type\":\"string\",\"maxLength\":1},{\"type\":\"null\"}]}", "\"ab\"", "", "maxLength",
		    "must have at most 1 characters", "长度不得超过 1 个字符" },
		{ "{\"anyOf\":[{\"minimum\":5},{\"maximum\":1}]}", "3", "", "anyOf", "has none of the allowed forms",
		    "不符合任何一种允许的形式" },
		{ "{\"oneOf\":[{\"minimum\":5},{\"minimum\":1}]}", "7", "", "oneOf",
		    "has more than one of the allowed forms", "同时符合多种互斥的形式" },
		{ "{\"format\":\"uuid\"}", "\"x\"", "", "format", "must be a UUID", "必须是 UUID" },
		{ "{\"properties\":{\"a\":false}}", "{\"a\":1}", "/a", "false", "is not allowed here",
		    "此处不允许出现" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct violations v;
		violations_init(&v, &arena);
		assert_false(schema_validate(compile(cases[i].schema), json(cases[i].value), STR(""), &v));
		if (v.count != 1 || !str_eq(v.first->detail[LANGUAGE_EN], str_of(cases[i].en)) ||
		    !str_eq(v.first->pointer, str_of(cases[i].pointer)))
			print_message("%s: %u %.*s %.*s\n", cases[i].schema, v.count, STR_FMT(v.first->pointer),
			    STR_FMT(v.first->detail[LANGUAGE_EN]));
		assert_int_equal(v.count, 1);
		assert_true(str_eq(v.first->pointer, str_of(cases[i].pointer)));
		assert_null(v.first->parameter.p);
		assert_true(str_eq(v.first->code, str_of(cases[i].code)));
		assert_true(str_eq(v.first->detail[LANGUAGE_EN], str_of(cases[i].en)));
		assert_true(str_eq(v.first->detail[LANGUAGE_ZH], str_of(cases[i].zh)));
	}
}

static void all_violations_are_found(void **state)
{
	(void)state;
	struct violations v;
	const struct schema *s = compile(
	    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"a\",\"b\"],\"properties\":{\"a\":{"
	    "\"type\":"
	    "\"integer\",\"minimum\":1},\"b\":{\"type\":\"string\"},\"c\":{\"items\":{\"type\":\"integer\"}}}}");
	violations_init(&v, &arena);
	assert_false(schema_validate(s, json("{\"a\":0,\"c\":[1,\"x\",2,\"y\"],\"d\":1}"), STR("/body"), &v));
	assert_int_equal(v.count, 5);
	assert_true(str_eq(v.first->pointer, STR("/body/a")));
	violations_init(&v, &arena);
	char text[1000] = "[";
	for (int i = 0; i < 60; i++) strcat(text, i ? ",\"a\"" : "\"a\"");
	strcat(text, "]");
	assert_false(schema_validate(compile("{\"items\":{\"type\":\"integer\"}}"), json(text), STR(""), &v));
	assert_int_equal(v.count, 60);
	unsigned kept = 0;
	for (const struct violation *x = v.first; x; x = x->next) kept++;
	assert_int_equal(kept, VIOLATIONS_MAX);
}

static bool valid(const struct schema *s, const char *value)
{
	struct violations v;
	violations_init(&v, &arena);
	return schema_validate(s, json(value), STR(""), &v);
}

static void numbers_compare_exactly(void **state)
{
	(void)state;
	const struct schema *s =
	    compile("{\"type\":\"integer\",\"maximum\":9007199254740992,\"minimum\":-9223372036854775808}");
	assert_true(valid(s, "9007199254740992"));
	assert_false(valid(s, "9007199254740993"));
	assert_true(valid(s, "-9223372036854775808"));
	assert_false(valid(s, "-9223372036854775809"));
	assert_true(valid(s, "9.007199254740992e15"));
	s = compile("{\"multipleOf\":0.01}");
	assert_true(
	    valid(s, "0.07") && valid(s, "1234567.89") && valid(s, "4.35") && valid(s, "0.29") && valid(s, "7"));
	assert_false(valid(s, "0.075"));
	assert_true(valid(compile("{\"const\":9007199254740993}"), "9007199254740993"));
	assert_false(valid(compile("{\"const\":9007199254740993}"), "9007199254740992"));
	assert_true(valid(compile("{\"type\":\"integer\",\"format\":\"int64\"}"), "9223372036854775807"));
	assert_false(valid(compile("{\"type\":\"integer\",\"format\":\"int64\"}"), "9223372036854775808"));
	assert_false(valid(compile("{\"type\":\"integer\",\"format\":\"int32\"}"), "2147483648"));
}

static void formats_of_our_own(void **state)
{
	(void)state;
	static const struct {
		const char *format, *value;
		bool good;
	} cases[] = { { "phone-cn", "13800138000", true }, { "phone-cn", "19912345678", true },
		{ "phone-cn", "12800138000", false }, { "phone-cn", "1380013800", false },
		{ "phone-cn", "138001380000", false }, { "phone-cn", "1380013800a", false },
		{ "id-number-cn", "11010519491231002X", true }, { "id-number-cn", "110105194912310021", false },
		{ "id-number-cn", "11010519491231002x", false }, { "id-number-cn", "440524188001010014", true },
		{ "id-number-cn", "440524188002300014", false }, { "id-number-cn", "110105491231002", false },
		{ "uscc", "91350100M000100Y43", true }, { "uscc", "91350100M000100Y44", false },
		{ "uscc", "91350100M000100Y4", false }, { "uscc", "91350100I000100Y43", false },
		{ "decimal-int64", "9223372036854775807", true }, { "decimal-int64", "9223372036854775808", false },
		{ "decimal-int64", "-5", true }, { "decimal-int64", "-0", false }, { "decimal-int64", "05", false },
		{ "decimal-int64", "", false }, { "decimal-int64", "-", false }, { "decimal-int64", "0", true },
		{ "uuid", "019ab2c3-5a10-7cc2-9d4e-1f2a3b4c5d6e", true },
		{ "uuid", "019ab2c35a107cc29d4e1f2a3b4c5d6e", false }, { "date", "2026-02-29", false },
		{ "date", "2028-02-29", true }, { "date-time", "2026-11-24T08:30:00+08:00", true },
		{ "date-time", "2026-11-24T08:30:00", false }, { "uri", "https://a.example/x?y#z", true },
		{ "uri", "/x", false }, { "uri", "http://a b", false }, { "uri", "http://a/%zz", false },
		{ "email", "a.b@example.org", true }, { "email", "a..b@example.org", false },
		{ "email", "@example.org", false }, { "email", "a@", false }, { "email", "a@-x.org", false } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char schema[64], value[96];
		snprintf(schema, sizeof schema, "{\"format\":\"%s\"}", cases[i].format);
		snprintf(value, sizeof value, "\"%s\"", cases[i].value);
		if (valid(compile(schema), value) != cases[i].good)
			print_message("%s %s\n", cases[i].format, cases[i].value);
		assert_int_equal(valid(compile(schema), value), cases[i].good);
		assert_true(valid(compile(schema), "12")); /* formats of strings say nothing about numbers */
	}
}

static void refuses_at_compile_time(void **state)
{
	(void)state;
	static const struct {
		const char *schema, *said;
	} cases[] = { { "{\"properties\":{\"a\":{\"unevaluatedItems\":false}}}",
			  "/properties/a/unevaluatedItems: unevaluatedItems is a keyword that is not supported" },
		{ "{\"$dynamicRef\":\"#x\"}", "not supported" }, { "{\"items\":{\"$anchor\":\"x\"}}", "not supported" },
		{ "{\"nullable\":true}", "not supported" }, { "{\"foo\":1}", "/foo: foo is no known keyword" },
		{ "{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":{\"$ref\":\"#\"}}}",
		    "refers to itself without end" },
		{ "{\"$ref\":\"#/$defs/a\"}", "leads nowhere" }, { "{\"multipleOf\":0}", "must be more than 0" },
		{ "{\"minLength\":-1}", "whole number" }, { "{\"required\":[\"a\",\"a\"]}", "names a member twice" },
		{ "{\"required\":\"a\"}", "list of names" }, { "{\"type\":[]}", "must name a type" },
		{ "{\"allOf\":[]}", "must not be empty" },
		{ "{\"items\":3}", "a schema must be an object or a boolean" }, { "[]", "a schema must be" },
		{ "{\"pattern\":\"\\\\C\"}", "pattern" }, { "{\"$id\":\"a\",\"not\":{\"$id\":\"b\"}}", "root only" } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct json *root = json(cases[i].schema);
		const struct schema *s;
		struct buf report;
		buf_init(&report, 4096);
		assert_int_equal(schema_compile(&arena, root, root, NULL, NULL, &s, &report), ERR_CONFIG);
		assert_null(s);
		if (!str_contains(buf_view(&report), str_of(cases[i].said)))
			print_message("%s: %.*s\n", cases[i].schema, STR_FMT(buf_view(&report)));
		assert_true(str_contains(buf_view(&report), str_of(cases[i].said)));
		buf_free(&report);
	}
	assert_true(str_list_has(schema_unsupported_keywords(), ',', STR("unevaluatedProperties")));
}

static void work_is_bounded(void **state)
{
	(void)state;
	/* each level tries the next twice: two to the power of thirty checks, were nobody counting */
	static char schema[8192];
	size_t n = (size_t)sprintf(schema, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
	for (int i = 0; i < 30; i++)
		n += (size_t)sprintf(schema + n,
		    "\"d%d\":{\"type\":\"integer\",\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},",
		    i, i + 1, i + 1);
	sprintf(schema + n, "\"d30\":{\"type\":\"integer\"}}}");
	struct violations v;
	violations_init(&v, &arena);
	const struct json *root = json(schema);
	const struct schema *s;
	assert_int_equal(schema_compile(&arena, root, root, NULL, NULL, &s, NULL), ERR_NONE);
	assert_false(schema_validate(s, json("1"), STR(""), &v));
	assert_true(str_eq(v.first->code, STR("complexity")));
}

static void a_pattern_cannot_run_away(void **state)
{
	(void)state;
	const struct schema *s = compile("{\"pattern\":\"^(a+)+$\"}");
	assert_true(valid(s, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaa\""));
	assert_false(valid(s, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""));
	assert_false(valid(compile("{\"pattern\":\"^a$\"}"), "\"a\\n\"")); /* ECMA's $ is the very end */
	assert_true(valid(compile("{\"pattern\":\"^\\\\u4e2d.$\"}"), "\"中文\""));
}

static const struct json *lookup(void *arg, struct str document)
{
	return str_eq(document, STR("common.yaml")) ? arg : NULL;
}

static void references_cross_documents(void **state)
{
	(void)state;
	const struct json *other = json("{\"x\":{\"A\":{\"$ref\":\"#/x/B\"},\"B\":{\"type\":\"integer\"}}}");
	const struct json *root = json("{\"properties\":{\"a\":{\"$ref\":\"common.yaml#/x/A\"}}}");
	const struct schema *s;
	assert_int_equal(schema_compile(&arena, root, root, lookup, (void *)(uintptr_t)other, &s, NULL), ERR_NONE);
	assert_true(valid(s, "{\"a\":1}"));
	assert_false(valid(s, "{\"a\":\"1\"}"));
	assert_int_equal(schema_kind(schema_property(s, STR("a"))), KIND_INTEGER);
}

static void nothing_is_allocated_when_all_is_well(void **state)
{
	(void)state;
	const struct schema *s =
	    compile("{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"a\",\"b\"],\"properties\":{"
		    "\"a\":{\"type\":\"integer\",\"minimum\":1},"
		    "\"b\":{\"type\":\"string\",\"maxLength\":10,\"pattern\":\"^[a-z]+$\"},\"c\":{\"type\":\"array\","
		    "\"uniqueItems\":true,\"items\":{\"enum\":[1,2,3]}},"
		    "\"d\":{\"anyOf\":[{\"type\":\"string\",\"format\":\"uuid\"},{\"type\":\"null\"}]}}}");
	const struct json *v = json("{\"a\":5,\"b\":\"abc\",\"c\":[1,2,3],\"d\":null}");
	struct violations none;
	violations_init(&none, &arena);
	size_t before = arena.bytes_used;
	assert_true(schema_validate(s, v, STR(""), &none));
	assert_int_equal(arena.bytes_used, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_violation_has_pointer_code_and_words, setup, teardown),
		cmocka_unit_test_setup_teardown(all_violations_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_compare_exactly, setup, teardown),
		cmocka_unit_test_setup_teardown(formats_of_our_own, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_at_compile_time, setup, teardown),
		cmocka_unit_test_setup_teardown(work_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pattern_cannot_run_away, setup, teardown),
		cmocka_unit_test_setup_teardown(references_cross_documents, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_allocated_when_all_is_well, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
