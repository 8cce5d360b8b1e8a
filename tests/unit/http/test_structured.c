/* Structured fields: each row is a field as received and its canonical form, or NULL where the field must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/http/structured.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 8 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

struct row {
	const char *text;
	const char *canonical;
};

enum kind { ITEM, LIST, DICTIONARY };

static enum err round_trip(enum kind kind, struct str text, struct buf *out)
{
	struct sf_members members;
	struct sf_item item;
	buf_reset(out);
	switch (kind) {
	case ITEM:
		TRY(sf_parse_item(&arena, text, &item));
		return sf_write_item(out, &item);
	case LIST:
		TRY(sf_parse_list(&arena, text, &members));
		return sf_write_list(out, &members);
	case DICTIONARY:
	default:
		TRY(sf_parse_dictionary(&arena, text, &members));
		return sf_write_dictionary(out, &members);
	}
}

static void check_rows(enum kind kind, const struct row *rows, size_t count)
{
	struct buf out;
	buf_init(&out, 65536);
	for (size_t i = 0; i < count; i++) {
		enum err e = round_trip(kind, str_of(rows[i].text), &out);
		if (!rows[i].canonical) {
			if (e != ERR_SYNTAX) fail_msg("accepted: %s", rows[i].text);
		} else if (e != ERR_NONE || !str_eq(buf_view(&out), str_of(rows[i].canonical))) {
			fail_msg("%s: %s, %.*s", rows[i].text, err_info(e)->name, STR_FMT(buf_view(&out)));
		}
	}
	buf_free(&out);
}

static void test_items(void **state)
{
	static const struct row rows[] = { { "42", "42" }, { "  -0 ", "0" }, { "007", "7" },
		{ "999999999999999", "999999999999999" }, { "-999999999999999", "-999999999999999" },
		{ "1000000000000000", NULL }, { "1.5", "1.5" }, { "1.500", "1.5" }, { "1.0", "1.0" },
		{ "-0.005", "-0.005" }, { "999999999999.999", "999999999999.999" }, { "1000000000000.1", NULL },
		{ "1.", NULL }, { "1.2345", NULL }, { ".5", NULL }, { "--1", NULL }, { "1.2.3", NULL }, { "-", NULL },
		{ "+1", NULL }, { "1e3", NULL }, { "", NULL }, { " ", NULL }, { "\t1", NULL }, { "1\t", NULL },
		{ "1 2", NULL }, { "1,2", NULL }, { "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\"" }, { "\"\"", "\"\"" },
		{ "\"", NULL }, { "\"a\\n\"", NULL }, { "\"a\\\"", NULL }, { "\"\xc3\xbc\"", NULL },
		{ "\"a\tb\"", NULL }, { "\"\x7f\"", NULL }, { "'a'", NULL }, { "tok/en:*", "tok/en:*" },
		{ "*!#$%&'*+-.^_`|~", "*!#$%&'*+-.^_`|~" }, { "a\"", NULL }, { "(1)", NULL },
		{ ":aGVsbG8=:", ":aGVsbG8=:" }, { "::", "::" }, { ":aGVsbG8:", NULL }, { ":iZ==:", NULL },
		{ ":====:", NULL }, { ":=aGVsbG8:", NULL }, { ":aGVs bG8=:", NULL }, { ":_-Ah:", NULL },
		{ ":aGVsbG8=", NULL }, { ":", NULL }, { ":A===:", NULL }, { "?0", "?0" }, { "?1", "?1" },
		{ "?2", NULL }, { "?", NULL }, { "?11", NULL }, { "@1659578233", "@1659578233" }, { "@-1", "@-1" },
		{ "@1.5", NULL }, { "@", NULL }, { "@@1", NULL }, { "%\"f%c3%bc%22%25 \"", "%\"f%c3%bc%22%25 \"" },
		{ "%\"%41\"", "%\"A\"" }, { "%\"%C3%BC\"", NULL }, { "%\"%c3\"", NULL }, { "%\"%c\"", NULL },
		{ "%\"%", NULL }, { "%\"\xc3\xbc\"", NULL }, { "%a", NULL }, { "%\"\\\"", "%\"\\\"" },
		{ "1;a;b=2;a=3", "1;a=3;b=2" }, { "1;  a=?1", "1;a" }, { "1;a=?0;b=x", "1;a=?0;b=x" }, { "1 ;a", NULL },
		{ "1;A", NULL }, { "1;a =2", NULL }, { "1;a= 2", NULL }, { "1;", NULL }, { "1;a=(1)", NULL } };
	(void)state;
	check_rows(ITEM, rows, ARRAY_LEN(rows));
}

static void test_lists(void **state)
{
	static const struct row rows[] = { { "", "" }, { "  ", "" }, { "1 \t, \t2", "1, 2" }, { "1,2", "1, 2" },
		{ "1,", NULL }, { ",1", NULL }, { "1,,2", NULL }, { "1 2", NULL }, { "1, 2,\t", NULL },
		{ "(1 2);a;b=x, ()", "(1 2);a;b=x, ()" }, { "( a;q=0.5   \"b\" )", "(a;q=0.5 \"b\")" }, { "(1", NULL },
		{ "(1 2", NULL }, { "(1\t2)", NULL }, { "(1,2)", NULL }, { "((1))", NULL }, { "(1)(2)", NULL },
		{ "(1;a=1;a=2)", "(1;a=2)" }, { "(", NULL }, { ")", NULL }, { "sugar, tea, rum", "sugar, tea, rum" } };
	(void)state;
	check_rows(LIST, rows, ARRAY_LEN(rows));
}

static void test_dictionaries(void **state)
{
	static const struct row rows[] = { { "", "" }, { "a=1 , b;x, c=?1;y", "a=1, b;x, c;y" },
		{ "a=1,b=2,a=3", "a=3, b=2" }, { "a=(1 2);w, *k-._*=?0", "a=(1 2);w, *k-._*=?0" }, { "a", "a" },
		{ "a=", NULL }, { "=1", NULL }, { "a =1", NULL }, { "a= 1", NULL }, { "A=1", NULL }, { "a=1,", NULL },
		{ "a=1 b=2", NULL }, { "a,,b", NULL }, { "1=a", NULL }, { "a=1;b=2;b, a;c", "a;c" },
		{ "a=\"x\", a=()", "a=()" } };
	(void)state;
	check_rows(DICTIONARY, rows, ARRAY_LEN(rows));
}

/* Exactly as many as RFC 9651 asks for, and not one more. */
static void test_bounds(void **state)
{
	struct buf text;
	struct sf_members members;
	(void)state;
	buf_init(&text, 1024 * 1024);
	for (int i = 0; i < SF_MEMBERS_MAX; i++) buf_printf(&text, "%sa%d", i ? "," : "", i);
	assert_int_equal(sf_parse_dictionary(&arena, buf_view(&text), &members), ERR_NONE);
	assert_int_equal(members.count, SF_MEMBERS_MAX);
	assert_non_null(sf_get(&members, STR("a1023")));
	assert_null(sf_get(&members, STR("a1024")));
	BUF_LIT(&text, ",b");
	assert_int_equal(sf_parse_dictionary(&arena, buf_view(&text), &members), ERR_SYNTAX);
	buf_reset(&text);
	BUF_LIT(&text, "(");
	for (int i = 0; i < SF_INNER_MAX; i++) BUF_LIT(&text, "1 ");
	BUF_LIT(&text, ")");
	assert_int_equal(sf_parse_list(&arena, buf_view(&text), &members), ERR_NONE);
	assert_int_equal(members.items[0].item.count, SF_INNER_MAX);
	text.p[text.n - 1] = '1';
	BUF_LIT(&text, ")");
	assert_int_equal(sf_parse_list(&arena, buf_view(&text), &members), ERR_SYNTAX);
	buf_reset(&text);
	BUF_LIT(&text, "1");
	for (int i = 0; i <= SF_PARAMETERS_MAX; i++) buf_printf(&text, ";p%d", i);
	struct sf_item item;
	assert_int_equal(sf_parse_item(&arena, buf_view(&text), &item), ERR_SYNTAX);
	text.n -= sizeof ";p256" - 1;
	assert_int_equal(sf_parse_item(&arena, buf_view(&text), &item), ERR_NONE);
	assert_int_equal(sf_parameter(&item, STR("p255"))->number, 1);
	buf_free(&text);
	struct arena small;
	arena_init(&small, 256, 512);
	assert_int_equal(sf_parse_list(&small, STR("1,2,3,4,5,6,7,8,9,10"), &members), ERR_MEMORY);
	arena_release(&small);
}

static void test_values(void **state)
{
	struct sf_item item;
	(void)state;
	assert_int_equal(
	    sf_parse_item(&arena, STR("-1.5;s=\"a\\\"b\";b=:AAEC/w==:;d=%\"f%c3%bc\";t=@7"), &item), ERR_NONE);
	assert_int_equal(item.value.type, SF_DECIMAL);
	assert_int_equal(item.value.number, -1500);
	assert_true(str_eq(sf_parameter(&item, STR("s"))->text, STR("a\"b")));
	assert_true(str_eq(sf_parameter(&item, STR("b"))->text, STR("\0\1\2\xff")));
	assert_true(str_eq(sf_parameter(&item, STR("d"))->text, STR("f\xc3\xbc")));
	assert_int_equal(sf_parameter(&item, STR("t"))->type, SF_DATE);
	assert_int_equal(sf_parameter(&item, STR("t"))->number, 7);
	assert_null(sf_parameter(&item, STR("x")));
	assert_int_equal(sf_parse_item(&arena, STR("\"a\0b\""), &item), ERR_SYNTAX);
}

static void test_not_written(void **state)
{
	static const struct sf_value bad[] = { { SF_INTEGER, SF_INTEGER_MAX + 1, STR_NONE },
		{ SF_INTEGER, INT64_MIN, STR_NONE }, { SF_DECIMAL, -SF_INTEGER_MAX - 1, STR_NONE },
		{ SF_DATE, INT64_MAX, STR_NONE }, { SF_STRING, 0, { "a\n", 2 } }, { SF_STRING, 0, { "\xc3\xbc", 2 } },
		{ SF_TOKEN, 0, { "1a", 2 } }, { SF_TOKEN, 0, { "", 0 } }, { SF_TOKEN, 0, { "a b", 3 } },
		{ SF_DISPLAY, 0, { "\xff", 1 } }, { SF_INNER_LIST, 0, STR_NONE } };
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) assert_int_equal(sf_write_value(&out, &bad[i]), ERR_SYNTAX);
	struct sf_parameter parameter = { STR("A"), { SF_INTEGER, 1, STR_NONE } };
	struct sf_item item = { .parameters = &parameter, .parameter_count = 1 };
	assert_int_equal(sf_write_item(&out, &item), ERR_SYNTAX);
	struct sf_member member = { STR(""), { .value = { SF_BOOLEAN, 1, STR_NONE } } };
	struct sf_members dictionary = { &member, 1 };
	assert_int_equal(sf_write_dictionary(&out, &dictionary), ERR_SYNTAX);
	buf_free(&out);
}

static struct str with_byte(char *text, size_t n, size_t at, int byte)
{
	text[at] = (char)byte;
	return str_span(text, n);
}

static enum err write_keyed(struct buf *out, struct str key, bool in_list)
{
	struct sf_parameter parameter = { key, { SF_INTEGER, 1, STR_NONE } };
	struct sf_member member = { key, { .value = { SF_TOKEN, 0, STR("foo") } } };
	if (in_list) member.item.parameters = &parameter;
	member.item.parameter_count = in_list;
	buf_reset(out);
	return in_list ? sf_write_list(out, &(struct sf_members){ &member, 1 })
		       : sf_write_dictionary(out, &(struct sf_members){ &member, 1 });
}

/* Every byte in every place of a name, a token and a string: what is written is what a parser takes, and nothing else is. */
static void test_every_byte(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 64);
	for (int c = 0; c < 256; c++) {
		bool lower = c >= 'a' && c <= 'z', letter = lower || (c >= 'A' && c <= 'Z'),
		     digit = c >= '0' && c <= '9';
		bool in_key = c && (lower || digit || strchr("_-.*", c));
		bool in_token = c && (letter || digit || strchr("!#$%&'*+-.^_`|~:/", c));
		for (int in_list = 0; in_list < 2; in_list++) {
			assert_int_equal(
			    write_keyed(&out, with_byte((char[]){ "a_a" }, 3, 1, c), in_list) == ERR_NONE, in_key);
			assert_int_equal(write_keyed(&out, with_byte((char[]){ "_a" }, 2, 0, c), in_list) == ERR_NONE,
			    lower || c == '*');
		}
		struct sf_value v = { SF_TOKEN, 0, with_byte((char[]){ "a_a" }, 3, 1, c) };
		assert_int_equal(sf_write_value(&out, &v) == ERR_NONE, in_token);
		v.text = with_byte((char[]){ "_a" }, 2, 0, c);
		assert_int_equal(sf_write_value(&out, &v) == ERR_NONE, letter || c == '*');
		v = (struct sf_value){ SF_STRING, 0, with_byte((char[]){ "_" }, 1, 0, c) };
		assert_int_equal(sf_write_value(&out, &v) == ERR_NONE, c >= ' ' && c <= '~');
	}
	buf_free(&out);
}

static void test_combined(void **state)
{
	const struct http_field items[] = { { STR("A"), STR("1") }, { STR("b"), STR("x") }, { STR("a"), STR("") },
		{ STR("A"), STR("2") } };
	struct http_fields fields = { items, ARRAY_LEN(items) };
	(void)state;
	assert_true(str_eq(sf_combined(&arena, fields, STR("a")), STR("1, , 2")));
	assert_ptr_equal(sf_combined(&arena, fields, STR("B")).p, items[1].value.p);
	assert_null(sf_combined(&arena, fields, STR("c")).p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_items), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_dictionaries), cmocka_unit_test(test_bounds), cmocka_unit_test(test_values),
		cmocka_unit_test(test_not_written), cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_combined) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
