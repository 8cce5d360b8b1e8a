/* The writer: commas, escapes, exact integers, bad UTF-8, and that what it writes reads back equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/json/json.h"
#include "common/json/json_write.h"

static struct str written(struct buf *b, struct json_writer *w)
{
	(void)w;
	assert_true(buf_ok(b));
	return buf_view(b);
}

static void assert_str(struct str got, const char *want)
{
	if (!str_eq(got, str_of(want))) print_message("got %.*s\nnot %s\n", STR_FMT(got), want);
	assert_true(str_eq(got, str_of(want)));
}

static void puts_commas_where_they_belong(void **state)
{
	(void)state;
	struct buf b;
	struct json_writer w;
	buf_init(&b, 4096);
	json_write_init(&w, &b);
	json_begin_object(&w);
	json_put_member_str(&w, "a", STR("x"));
	json_put_member_i64(&w, "b", -7);
	json_put_key(&w, STR("c"));
	json_begin_array(&w);
	json_begin_array(&w);
	json_end_array(&w);
	json_begin_object(&w);
	json_end_object(&w);
	json_put_null(&w);
	json_put_bool(&w, true);
	json_put_raw(&w, STR("[1]"));
	json_end_array(&w);
	json_put_member_bool(&w, "d", false);
	json_put_member_str(&w, "e", STR_NONE);
	json_end_object(&w);
	assert_str(written(&b, &w), "{\"a\":\"x\",\"b\":-7,\"c\":[[],{},null,true,[1]],\"d\":false,\"e\":null}");
	buf_free(&b);
}

static void integers_are_never_doubles(void **state)
{
	(void)state;
	static const struct {
		int64_t v;
		const char *text;
	} cases[] = { { 0, "0" }, { 1000000000000000, "1000000000000000" }, { 9007199254740991, "9007199254740991" },
		{ INT64_MAX, "9223372036854775807" }, { INT64_MIN, "-9223372036854775808" },
		{ 2147483648, "2147483648" } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;
		struct json_writer w;
		buf_init(&b, 64);
		json_write_init(&w, &b);
		json_put_i64(&w, cases[i].v);
		assert_str(written(&b, &w), cases[i].text);
		buf_free(&b);
	}
}

static void escapes_what_must_be(void **state)
{
	(void)state;
#define CASE(in, out)                                                                                                  \
	{                                                                                                              \
		STR(in), out                                                                                           \
	}
	static const struct {
		struct str in;
		const char *out;
	} cases[] = { CASE("", "\"\""),
		CASE("plain text, long enough for words of eight", "\"plain text, long enough for words of eight\""),
		CASE("a\"b\\c/d", "\"a\\\"b\\\\c/d\""), CASE("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""),
		CASE("\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""), CASE("a\0b", "\"a\\u0000b\""),
		CASE("中文😀é", "\"中文😀é\""), CASE("1234567\"", "\"1234567\\\"\""),
		CASE("1234567\x1f", "\"1234567\\u001f\""), CASE("12345678901234567中", "\"12345678901234567中\""),
		CASE("\xff", "\"\xef\xbf\xbd\""), CASE("a\xe4\xb8", "\"a\xef\xbf\xbd\xef\xbf\xbd\""),
		CASE("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
		CASE("\xc0\xaf!", "\"\xef\xbf\xbd\xef\xbf\xbd!\""),
		CASE("\x80"
		     "abc",
		    "\"\xef\xbf\xbd"
		    "abc\"") };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;
		struct json_writer w;
		buf_init(&b, 256);
		json_write_init(&w, &b);
		json_put_str(&w, cases[i].in);
		assert_str(written(&b, &w), cases[i].out);
		buf_free(&b);
	}
}

/* Every byte at every place of every length: words of eight, overlapping tails and single bytes must agree. */
static void escapes_at_every_place(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 26; n++)
		for (size_t at = 0; at < n; at++)
			for (unsigned c = 0; c < 0x80; c++) {
				char in[26], want[40];
				struct buf b;
				struct json_writer w;
				memset(in, 'x', sizeof in);
				in[at] = (char)c;
				const char *letter = c && c < 0x20 ? strchr("\bb\tt\nn\ff\rr", (int)c) : NULL;
				char escape[8];
				if (c == '"' || c == '\\')
					snprintf(escape, sizeof escape, "\\%c", (int)c);
				else if (letter)
					snprintf(escape, sizeof escape, "\\%c", letter[1]);
				else
					snprintf(escape, sizeof escape, c < 0x20 ? "\\u%04x" : "%c", c);
				snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at, in, escape, (int)(n - at - 1),
				    in + at + 1);
				for (int trusted = 0; trusted < 2; trusted++) {
					buf_init(&b, 64);
					json_write_init(&w, &b);
					(trusted ? json_put_utf8 : json_put_str)(&w, str_span(in, n));
					assert_str(written(&b, &w), want);
					buf_free(&b);
				}
			}
}

static void trusted_text_and_ready_keys(void **state)
{
	(void)state;
	struct buf b, one, two;
	struct json_writer w;
	buf_init(&b, 4096);
	buf_init(&one, 64);
	buf_init(&two, 64);
	json_ready_key(&one, STR("a\"b"));
	json_ready_key(&two, STR("中"));
	assert_str(buf_view(&one), ",\"a\\\"b\":");
	json_write_init(&w, &b);
	json_begin_object(&w);
	json_put_ready_key(&w, buf_view(&one));
	json_begin_object(&w);
	json_put_ready_key(&w, buf_view(&two));
	json_put_utf8(&w, STR("愿灾区的孩子们\"早日\"回到\n课堂😀"));
	json_put_ready_key(&w, buf_view(&one));
	json_put_plain(&w, STR("2026-11-24"));
	json_end_object(&w);
	json_put_ready_key(&w, buf_view(&two));
	json_put_utf8(&w, STR_NONE);
	json_put_key(&w, STR("k"));
	json_put_plain(&w, STR_NONE);
	json_end_object(&w);
	assert_str(written(&b, &w),
	    "{\"a\\\"b\":{\"中\":\"愿灾区的孩子们\\\"早日\\\"回到\\n课堂😀\",\"a\\\"b\":\"2026-11-24\"},"
	    "\"中\":null,\"k\":null}");
	buf_free(&b);
	buf_free(&one);
	buf_free(&two);
}

static void trees_keep_literals_and_order(void **state)
{
	(void)state;
	static const char text[] =
	    "{\"z\":1.50,\"a\":[9007199254740993,1e2,-0,{\"\":\"\\\"\"}],\"t\":true,\"n\":null,\"e\":{},\"l\":[]}";
	struct arena a;
	struct buf b;
	struct json_writer w;
	const struct json *v;
	arena_init(&a, 4096, 1 << 20);
	assert_int_equal(json_read(&a, str_of(text), 8, &v, NULL), ERR_NONE);
	buf_init(&b, 4096);
	json_write_init(&w, &b);
	json_put_tree(&w, v);
	assert_str(written(&b, &w), text);
	buf_free(&b);
	arena_release(&a);
}

static void overflow_and_depth_are_sticky(void **state)
{
	(void)state;
	struct buf b;
	struct json_writer w;
	buf_init(&b, 8);
	json_write_init(&w, &b);
	json_put_str(&w, STR("much too long for eight bytes"));
	assert_false(buf_ok(&b));
	buf_free(&b);
	buf_init(&b, 4096);
	json_write_init(&w, &b);
	for (int i = 0; i < 100; i++) json_begin_array(&w);
	for (int i = 0; i < 100; i++) json_end_array(&w);
	assert_false(buf_ok(&b));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_commas_where_they_belong),
		cmocka_unit_test(integers_are_never_doubles),
		cmocka_unit_test(escapes_what_must_be),
		cmocka_unit_test(escapes_at_every_place),
		cmocka_unit_test(trusted_text_and_ready_keys),
		cmocka_unit_test(trees_keep_literals_and_order),
		cmocka_unit_test(overflow_and_depth_are_sticky),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
