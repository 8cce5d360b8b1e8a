/* Timestamps and arrays: PostgreSQL's text forms. No server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/core/check.h"
#include "common/pg/text_form.h"

static void timestamps(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "2026-11-24 08:30:00+08", "2026-11-24T08:30:00+08:00" },
		{ "2026-11-24 08:30:00.123+08", "2026-11-24T08:30:00.123+08:00" },
		{ "2026-11-24 08:30:00.123456+08:30", "2026-11-24T08:30:00.123456+08:30" },
		{ "1988-07-01 09:00:00-03:30", "1988-07-01T09:00:00-03:30" },
		{ "1900-01-01 00:05:43.5+08:05:43", "1900-01-01T00:00:00.5+08:00" }, /* local mean time */
		{ "1900-12-31 23:50:00-00:30:10", "1901-01-01T08:20:10+08:00" },
		{ "infinity", "" },
		{ "-infinity", "" },
		{ "0044-03-15 00:00:00+08:05:43 BC", "" },
		{ "12026-01-01 00:00:00+08", "" },
		{ "2026-11-24 08:30:00", "" },
		{ "2026-11-24 08:30:00.+08", "" },
		{ "2026-11-24 08:30:00.1234567+08", "" },
		{ "2026-11-24 08:30:00+8", "" },
		{ "2026-11-24 08:30:00+08:3", "" },
		{ "2026-11-24 08:30:00+08:30:", "" },
		{ "2026-11-24 08:30", "" },
		{ "", "" },
	};
	char out[TIMESTAMP_BYTES];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = timestamptz_rfc3339(str_of(cases[i][0]), out);
		if (!str_eq(str_span(out, n), str_of(cases[i][1]))) fail_msg("%s: %.*s", cases[i][0], (int)n, out);
	}
	assert_int_equal(timestamp_iso(STR("2026-11-24 08:30:00.5"), out), 21);
	assert_int_equal(timestamp_iso(STR("2026-11-24 08:30:00+08"), out), 0);
}

static void array_text(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	array_begin(&b);
	array_add(&b, STR_NONE);
	array_add(&b, STR(""));
	array_add(&b, STR("NULL"));
	array_add(&b, STR("a\"b\\c,{d}"));
	array_end(&b);
	assert_true(str_eq(buf_view(&b), STR("{NULL,\"\",\"NULL\",\"a\\\"b\\\\c,{d}\"}")));
	buf_free(&b);
}

/* The events as text: [ ] for levels, 'x' for values, n for NULL, $ for the end, ! for a fault. */
static void events(const char *literal, char *out, size_t room)
{
	struct array_scan s;
	struct buf scratch;
	struct str v;
	size_t n = 0;
	array_scan_init(&s, str_of(literal));
	buf_init(&scratch, 1000);
	for (;;) {
		enum array_event e = array_next(&s, &scratch, &v);
		if (e == ARRAY_VALUE)
			n += (size_t)snprintf(out + n, room - n, "'%.*s'", STR_FMT(v));
		else
			n += (size_t)snprintf(out + n, room - n, "%c", "[]?n$!"[e]);
		if (e == ARRAY_END || e == ARRAY_BROKEN) break;
	}
	buf_free(&scratch);
}

static void array_reading(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "{}", "[]$" },
		{ "{1,2}", "['1''2']$" },
		{ "{NULL,\"NULL\",\"\"}", "[n'NULL''']$" },
		{ "{{a,b},{c,d}}", "[['a''b']['c''d']]$" },
		{ "[0:1]={x,y}", "['x''y']$" },
		{ "{\"a\\\"b\\\\\",c}", "['a\"b\\''c']$" },
		{ "", "!" },
		{ "{", "[!" },
		{ "{1", "['1'!" },
		{ "{1,}", "['1'!" },
		{ "{1}x", "['1']!" },
		{ "x", "!" },
		{ "}", "!" },
		{ "{\"a", "[!" },
		{ "{\"a\\", "[!" },
		{ "{1{2}}", "['1'!" },
		{ "{{{{{{{1}}}}}}}", "[[[[[[!" },
		{ "{,}", "[!" },
	};
	char out[200];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		events(cases[i][0], out, sizeof out);
		assert_string_equal(out, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(timestamps), cmocka_unit_test(array_text),
		cmocka_unit_test(array_reading) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
