/* Long values reach llhttp without their inside (wire.c): they must come out as they went in, and what llhttp acts on must act. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/http/wire.h"

static enum err parse(const char *text, size_t n, struct http_field *items, unsigned *count, bool *keep_alive)
{
	struct head_scan scan = { 0 };
	struct wire *wire = wire_new();
	enum err e = head_scan(&scan, str_span(text, n)) == HEAD_COMPLETE && scan.at == n ? ERR_NONE : ERR_SYNTAX;
	*count = 8;
	if (e == ERR_NONE) e = wire_head(wire, WIRE_REQUEST, str_span(text, n), items, count);
	*keep_alive = e == ERR_NONE && wire_keep_alive(wire);
	wire_free(wire);
	return e;
}

/* Values of all lengths around the limits, with blanks before, behind and inside. */
static void test_values(void **state)
{
	static const char *const blanks[] = { "", " ", "\t  ", "          " };
	char value[300], text[800];
	struct http_field items[8];
	unsigned count;
	bool keep_alive;
	(void)state;
	for (size_t n = 0; n < sizeof value; n++)
		for (size_t b = 0; b < ARRAY_LEN(blanks); b++)
			for (size_t a = 0; a < ARRAY_LEN(blanks); a++) {
				for (size_t i = 0; i < n; i++)
					value[i] = i % 7 == 3 && i + 1 < n ? " \t:\xff"[i % 4] : 'v';
				int bytes = snprintf(text, sizeof text,
				    "GET / HTTP/1.1\r\nHost: a\r\nX-Long:%s%.*s%s\r\nY: z\r\n\r\n", blanks[b], (int)n,
				    value, blanks[a]);
				assert_int_equal(parse(text, (size_t)bytes, items, &count, &keep_alive), ERR_NONE);
				assert_int_equal(count, 3);
				assert_true(str_eq(items[1].name, STR("X-Long")));
				assert_true(str_eq(items[1].value, str_span(value, n)));
				assert_true(str_eq(items[2].name, STR("Y")) && str_eq(items[2].value, STR("z")));
				assert_true(keep_alive);
			}
}

static void test_acted_on(void **state)
{
	static const struct {
		const char *name, *value;
		enum err err;
		bool keep_alive;
	} rows[] = { { "Connection", "close", ERR_NONE, false }, { "CONNECTION", "x, close, y", ERR_NONE, false },
		{ "X-Connection", "close", ERR_NONE, true }, { "Content-Length", "1 2", ERR_MALFORMED_REQUEST, false },
		{ "Bad Name", "v", ERR_MALFORMED_REQUEST, false }, { "", "v", ERR_MALFORMED_REQUEST, false },
		{ "Connection ", "close", ERR_MALFORMED_REQUEST, false },
		{ "X\xff", "v", ERR_MALFORMED_REQUEST, false } };
	char text[800];
	struct http_field items[8];
	unsigned count;
	bool keep_alive;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int pad = 0; pad < 260; pad += 13) {
			int bytes = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s:%*s%s%*s\r\n\r\n",
			    rows[i].name, pad, "", rows[i].value, pad, "");
			assert_int_equal(parse(text, (size_t)bytes, items, &count, &keep_alive), rows[i].err);
			assert_int_equal(keep_alive, rows[i].keep_alive);
		}
}

/* A byte that may not stand in a line is found wherever it stands. */
static void test_control_bytes(void **state)
{
	char text[200];
	struct http_field items[8];
	unsigned count;
	bool keep_alive;
	(void)state;
	for (int c = 0; c < 256; c++)
		for (int at = 0; at < 130; at++) {
			int bytes = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nX: %0130d\r\n\r\n", 7);
			bool good = c == '\t' || (c >= 0x20 && c != 0x7f);
			text[19 + at] = (char)c;
			enum err e = parse(text, (size_t)bytes, items, &count, &keep_alive);
			assert_int_equal(e == ERR_NONE, good);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_values), cmocka_unit_test(test_acted_on),
		cmocka_unit_test(test_control_bytes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
