/* The strict reader: what must be accepted, what must be refused and with which code, and that numbers stay exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/json/json.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static enum err read_z(struct str text, const struct json **out, struct json_error *error)
{
	return json_read(&arena, text, JSON_DEPTH_MAX, out, error);
}

static const struct json *must_read(const char *text)
{
	const struct json *v;
	struct json_error error;
	enum err e = read_z(str_of(text), &v, &error);
	if (e != ERR_NONE) print_message("%s: %s at %zu\n", text, error.code, error.offset);
	assert_int_equal(e, ERR_NONE);
	assert_non_null(v);
	return v;
}

static void accepts_what_rfc_8259_allows(void **state)
{
	(void)state;
	static const char *const good[] = { "null", "true", "false", "0", "-0", "1", "-1", "1.5", "1e5", "1E+5", "1e-5",
		"0.1e1", "-0.0", "123456789012345678901234567890", "\"\"", "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"\"\\u4e2d\\u6587\"", "\"\\uD83D\\uDE00\"", "\"中文😀\"", "\"\x7f\"", "\"\\u007f\"", "\"\xe2\x80\xa8\"",
		"\"\\uFFFE\\uffff\"", "\"\xef\xbf\xbf\"", "[]", "[ ]", "{}", "{ }", "[1]", "[1,2]", "[[],{}]",
		" [1 , 2 ] ", "\t\r\n {\"a\" : 1 ,\"b\":[ ] }\n", "{\"\":0}", "{\"a\":{\"a\":1}}", "[\"a\",\"a\"]",
		"{\"a\":1,\"A\":2}", "1e308", "-1e308", "1e-999", "[1,2,3,4,5,6,7,8,9,10]", "[null,true,false]",
		"\"[]{},:\\\\\"", "{\"\\u0061b\":1,\"a\":2}",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) must_read(good[i]);
}

static void refuses_with_code_and_offset(void **state)
{
	(void)state;
#define BAD(text, code, offset)                                                                                        \
	{                                                                                                              \
		STR(text), code, offset                                                                                \
	}
	static const struct {
		struct str text;
		const char *code;
		size_t offset;
	} bad[] = {
		BAD("", "syntax", 0),
		BAD(" ", "syntax", 1),
		BAD("nul", "syntax", 0),
		BAD("True", "syntax", 0),
		BAD("NaN", "syntax", 0),
		BAD("Infinity", "syntax", 0),
		BAD("-Infinity", "number", 0),
		BAD("'a'", "syntax", 0),
		BAD("// c\n1", "syntax", 0),
		BAD("/**/1", "syntax", 0),
		BAD("\xef\xbb\xbf{}", "syntax", 0),
		BAD("\xff\xfe[", "syntax", 0),
		BAD("\0"
		    "1",
		    "syntax", 0),
		BAD("1\0", "trailing", 1),
		BAD("[1\0]", "syntax", 2),
		BAD("\f1", "syntax", 0),
		BAD("\xc2\xa0"
		    "1",
		    "syntax", 0),
		/* numbers */
		BAD("01", "number", 0),
		BAD("-01", "number", 0),
		BAD("00", "number", 0),
		BAD("1.", "number", 0),
		BAD(".5", "syntax", 0),
		BAD("-", "number", 0),
		BAD("-.5", "number", 0),
		BAD("+1", "syntax", 0),
		BAD("1e", "number", 0),
		BAD("1e+", "number", 0),
		BAD("1e5.5", "number", 0),
		BAD("0x1F", "trailing", 1),
		BAD("1_000", "trailing", 1),
		BAD("1.2.3", "number", 0),
		BAD("--1", "number", 0),
		BAD("1-1", "number", 0),
		BAD("[1e400]", "number", 1),
		BAD("[-1e400]", "number", 1),
		BAD("1e1000", "number", 0),
		BAD("1e-1000", "number", 0),
		BAD("1e99999999999999999999", "number", 0),
		BAD("1234567890123456789012345678901234567890123456789012345678901234", "number", 0),
		BAD("\xef\xbc\x91", "syntax", 0),
		/* strings */
		BAD("\"", "syntax", 1),
		BAD("\"a", "syntax", 2),
		BAD("\"\n\"", "syntax", 1),
		BAD("\"\t\"", "syntax", 1),
		BAD("\"\x1f\"", "syntax", 1),
		BAD("\"a\0b\"", "syntax", 2),
		BAD("\"\\x41\"", "syntax", 1),
		BAD("\"\\'\"", "syntax", 1),
		BAD("\"\\", "syntax", 1),
		BAD("\"\\u12\"", "syntax", 5),
		BAD("\"\\u12G4\"", "syntax", 5),
		BAD("\"\\U0041\"", "syntax", 1),
		BAD("\"\\\0\"", "syntax", 1),
		BAD("\"\\u0000\"", "nul", 1),
		BAD("\"\\u0000x\"", "nul", 1),
		BAD("{\"\\u0000\":1}", "nul", 2),
		BAD("\"\\ud800\"", "utf8", 1),
		BAD("\"\\udc00\"", "utf8", 1),
		BAD("\"\\ud800\\ud800\"", "utf8", 1),
		BAD("\"\\ud800x\"", "utf8", 1),
		BAD("\"\\ud800\\n\"", "utf8", 1),
		BAD("\"\\udc00\\ud800\"", "utf8", 1),
		BAD("\"\\ud800\\u0041\"", "utf8", 1),
		BAD("\"ab\xff\"", "utf8", 3),
		BAD("\"\xc0\xaf\"", "utf8", 1),
		BAD("\"\xed\xa0\x80\"", "utf8", 1),
		BAD("\"\xf4\x90\x80\x80\"", "utf8", 1),
		BAD("\"\xe4\xb8\"", "utf8", 1),
		BAD("\"\xe4\xb8\xad\x80\"", "utf8", 4),
		BAD("\"\xf8\x88\x80\x80\x80\"", "utf8", 1),
		BAD("{\"\xff\":1}", "utf8", 2),
		/* structure */
		BAD("[", "syntax", 1),
		BAD("]", "syntax", 0),
		BAD("[1", "syntax", 2),
		BAD("[1,", "syntax", 3),
		BAD("[1,]", "syntax", 3),
		BAD("[,1]", "syntax", 1),
		BAD("[1 2]", "syntax", 3),
		BAD("[1}", "syntax", 2),
		BAD("[1,,2]", "syntax", 3),
		BAD("{", "syntax", 1),
		BAD("{\"a\"}", "syntax", 4),
		BAD("{\"a\":}", "syntax", 5),
		BAD("{\"a\":1,}", "syntax", 7),
		BAD("{a:1}", "syntax", 1),
		BAD("{'a':1}", "syntax", 1),
		BAD("{1:1}", "syntax", 1),
		BAD("{\"a\" 1}", "syntax", 5),
		BAD("{\"a\":1 \"b\":2}", "syntax", 7),
		BAD("{\"a\"::1}", "syntax", 5),
		BAD("{\"a\":1]", "syntax", 6),
		BAD("{,}", "syntax", 1),
		BAD("{\"a\":1", "syntax", 6),
		BAD("{} {}", "trailing", 3),
		BAD("1 2", "trailing", 2),
		BAD("[]]", "trailing", 2),
		BAD("{}}", "trailing", 2),
		BAD("\"a\"b", "trailing", 3),
		BAD("{}#", "trailing", 2),
		BAD("truefalse", "trailing", 4),
		BAD("{}\xef\xbb\xbf", "trailing", 2),
		/* names */
		BAD("{\"a\":1,\"a\":1}", "duplicate-key", 7),
		BAD("{\"a\":1,\"\\u0061\":2}", "duplicate-key", 7),
		BAD("[{\"x\":{\"b\":\"\\\"\",\"c\":[1,{}],\"b\":0}}]", "duplicate-key", 27),
		BAD("{\"\":1,\"\":2}", "duplicate-key", 6),
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct json *v;
		struct json_error error;
		enum err wanted =
		    strcmp(bad[i].code, "duplicate-key") == 0 ? ERR_JSON_DUPLICATE_KEY : ERR_MALFORMED_JSON;
		enum err e = read_z(bad[i].text, &v, &error);
		if (e != wanted || strcmp(error.code, bad[i].code) != 0 || error.offset != bad[i].offset)
			print_message("case %zu %.*s: %s at %zu\n", i, STR_FMT(bad[i].text),
			    error.code ? error.code : "-", error.offset);
		assert_int_equal(e, wanted);
		assert_string_equal(error.code, bad[i].code);
		assert_int_equal(error.offset, bad[i].offset);
		assert_null(v);
	}
}

static void bounds_the_depth(void **state)
{
	(void)state;
	char text[2 * 1000 + 1];
	const struct json *v;
	struct json_error error;
	memset(text, '[', 1000);
	memset(text + 1000, ']', 1000);
	assert_int_equal(json_read(&arena, str_span(text + 1000 - 32, 64), 32, &v, &error), ERR_NONE);
	assert_int_equal(json_read(&arena, str_span(text + 1000 - 33, 66), 32, &v, &error), ERR_JSON_TOO_DEEP);
	assert_string_equal(error.code, "depth");
	assert_int_equal(error.offset, 32);
	assert_int_equal(json_read(&arena, str_span(text, 990), 32, &v, &error), ERR_JSON_TOO_DEEP);
	assert_int_equal(json_read(&arena, str_span(text + 1000 - 128, 256), 128, &v, &error), ERR_NONE);
	assert_int_equal(json_read(&arena, STR("[]"), 0, &v, &error), ERR_JSON_TOO_DEEP);
	assert_int_equal(json_read(&arena, STR("1"), 0, &v, &error), ERR_NONE);
}

static void numbers_stay_exact(void **state)
{
	(void)state;
	static const struct {
		const char *literal;
		bool whole;
		int64_t value;
	} cases[] = { { "9007199254740991", true, 9007199254740991 }, { "9007199254740993", true, 9007199254740993 },
		{ "1767225600000000", true, 1767225600000000 }, { "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN }, { "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 }, { "1.0", true, 1 }, { "1e2", true, 100 }, { "1.50e1", true, 15 },
		{ "1.5", false, 0 }, { "-0", true, 0 }, { "-0.0e5", true, 0 }, { "0e999", true, 0 },
		{ "100e-2", true, 1 }, { "1e-1", false, 0 }, { "9223372036854775807.0", true, INT64_MAX },
		{ "922337203685477580.7e1", true, INT64_MAX }, { "1e18", true, 1000000000000000000 },
		{ "1e19", false, 0 }, { "0.01e2", true, 1 }, { "2147483648", true, 2147483648 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[96];
		int64_t value = 0;
		snprintf(
		    text, sizeof text, "{\"s\":\"1,2\\\"\",\"n\":[%s],\"m\": %s }", cases[i].literal, cases[i].literal);
		const struct json *v = must_read(text), *m = json_get(v, STR("m"));
		assert_true(str_eq(json_number(m), str_of(cases[i].literal)));
		assert_true(str_eq(json_number(json_at(json_get(v, STR("n")), 0)), str_of(cases[i].literal)));
		assert_int_equal(json_int64(m, &value), cases[i].whole);
		if (cases[i].whole) assert_true(value == cases[i].value);
	}
}

static void members_items_and_pointers(void **state)
{
	(void)state;
	const struct json *v =
	    must_read("{\"a\":[10,{\"b/c\":{\"~\":7}}],\"s\":\"t\\u00e9\",\"f\":false,\"\":1,\"ab\":2}");
	int64_t n;
	assert_int_equal(json_count(v), 5);
	assert_null(json_get(v, STR("A")));
	assert_null(json_get(v, STR("aa")));
	assert_int_equal(json_get_i64(v, "ab", 0), 2);
	assert_int_equal(json_get_i64(v, "", 0), 1);
	assert_int_equal(json_get_i64(v, "s", -5), -5);
	assert_true(str_eq(json_get_str(v, "s"), STR("té")));
	assert_null(json_get_str(v, "f").p);
	assert_false(json_get_bool(v, "f", true));
	assert_true(json_get_bool(v, "s", true));
	assert_int_equal(json_count(json_get(v, STR("a"))), 2);
	assert_null(json_at(json_get(v, STR("a")), 2));
	assert_true(json_int64(json_pointer(v, STR("/a/1/b~1c/~0")), &n) && n == 7);
	assert_true(json_pointer(v, STR("")) == v);
	assert_true(json_int64(json_pointer(v, STR("/")), &n) && n == 1);
	static const char *const nowhere[] = { "a", "/a/2", "/a/01", "/a/-", "/a/0/x", "/s/0", "/a/1/b~2c", "/a/1/b~",
		"/ab/", "/a//" };
	for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) assert_null(json_pointer(v, str_of(nowhere[i])));
	assert_true(str_eq(json_key(json_first(v)), STR("a")));
	assert_true(str_eq(json_key(json_next(json_first(v))), STR("s")));
}

static void equality_is_that_of_json_schema(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = { { "1", "1.0", true }, { "100", "1e2", true }, { "0", "-0.0", true },
		{ "9007199254740993", "9007199254740992", false }, { "0.1", "0.10", true }, { "1", "true", false },
		{ "\"1\"", "1", false }, { "null", "false", false }, { "[1,2]", "[2,1]", false },
		{ "{\"a\":1,\"b\":2}", "{\"b\":2.0,\"a\":1}", true }, { "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
		{ "{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false }, { "\"\\u0061\"", "\"a\"", true },
		{ "[[1],{}]", "[[1.0],{}]", true }, { "[]", "{}", false }, { "\"a\"", "\"b\"", false },
		{ "-1", "1", false }, { "-2", "-1", false }, { "12e-1", "1.2", true } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct json *a = must_read(cases[i].a), *b = must_read(cases[i].b);
		if (json_equal(a, b) != cases[i].equal) print_message("%s %s\n", cases[i].a, cases[i].b);
		assert_int_equal(json_equal(a, b), cases[i].equal);
		assert_int_equal(json_equal(b, a), cases[i].equal);
		assert_int_equal(json_hash(a) == json_hash(b), cases[i].equal);
	}
}

static void many_members_without_quadratic_time(void **state)
{
	(void)state;
	static char text[40000 * 14];
	size_t n = 1;
	const struct json *v;
	struct json_error error;
	text[0] = '{';
	for (int i = 0; i < 40000; i++) n += (size_t)sprintf(text + n, "\"k%d\":1,", i);
	text[n - 1] = '}';
	assert_int_equal(read_z(str_span(text, n), &v, &error), ERR_NONE);
	assert_int_equal(json_count(v), 40000);
	size_t at = n - 1;
	n = at + (size_t)sprintf(text + at, ",\"k17\":2}");
	assert_int_equal(read_z(str_span(text, n), &v, &error), ERR_JSON_DUPLICATE_KEY);
	assert_string_equal(error.code, "duplicate-key");
	assert_int_equal(error.offset, at + 1);
}

static void a_full_arena_is_told_apart(void **state)
{
	(void)state;
	struct str text = STR("{\"a\":[1,2,3,{\"b\":\"cccccccccccccccccccccccccccccccc\"}]}");
	const struct json *v;
	struct json_error error;
	unsigned failed = 0;
	for (size_t max = 0; max < 2000; max += 8) {
		struct arena small;
		arena_init(&small, 64, max);
		enum err e = json_read(&small, text, 8, &v, &error);
		if (e == ERR_MEMORY) {
			failed++;
			assert_string_equal(error.code, "memory");
		} else {
			assert_int_equal(e, ERR_NONE);
		}
		arena_release(&small);
	}
	assert_in_range(failed, 10, 240);
}

static void trees_can_be_built(void **state)
{
	(void)state;
	struct json *o = json_new_object(&arena), *list = json_new_array(&arena);
	json_add(&arena, o, STR("list"), list);
	json_append(list, json_new_number(&arena, STR("12.50")));
	json_append(list, json_new_string(&arena, STR("x")));
	json_append(list, json_new_null(&arena));
	json_add(&arena, o, STR("yes"), json_new_bool(&arena, true));
	assert_true(json_equal(o, must_read("{\"yes\":true,\"list\":[12.5,\"x\",null]}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(accepts_what_rfc_8259_allows, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_with_code_and_offset, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_the_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_stay_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(members_items_and_pointers, setup, teardown),
		cmocka_unit_test_setup_teardown(equality_is_that_of_json_schema, setup, teardown),
		cmocka_unit_test_setup_teardown(many_members_without_quadratic_time, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_arena_is_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(trees_can_be_built, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
