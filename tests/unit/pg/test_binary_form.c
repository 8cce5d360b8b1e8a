/* Binary forms as text. Microseconds and days count from 2000-01-01. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/core/id.h"
#include "common/pg/binary_form.h"
#include "common/pg/type_oid.h"

static void check(unsigned type, const char *hex, const char *want)
{
	char bytes[32], out[BINARY_TEXT_BYTES];
	size_t n = strlen(hex) / 2;
	assert_true(id_unhex(str_of(hex), bytes, n));
	struct str got = binary_form_text(type, str_span(bytes, n), out);
	if (!want) {
		assert_null(got.p);
		return;
	}
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.p, want, got.n);
}

static void integers(void **state)
{
	(void)state;
	check(OID_INT2, "0000", "0");
	check(OID_INT2, "8000", "-32768");
	check(OID_INT2, "7fff", "32767");
	check(OID_INT4, "ffffffff", "-1");
	check(OID_INT4, "80000000", "-2147483648");
	check(OID_INT4, "0000270f", "9999");
	check(OID_OID, "ffffffff", "4294967295");
	check(OID_INT8, "8000000000000000", "-9223372036854775808");
	check(OID_INT8, "7fffffffffffffff", "9223372036854775807");
	check(OID_INT8, "0000000000002260", "8800");
	check(OID_INT8, "00002260", NULL);
	check(OID_INT4, "", NULL);
}

static void times(void **state)
{
	(void)state;
	check(OID_TIMESTAMPTZ, "0000000000000000", "2000-01-01T08:00:00+08:00");
	check(OID_TIMESTAMPTZ, "0003040c138dd360",
	    "2026-11-25T06:34:04.312416+08:00"); /* 2026-11-24 22:34:04.312416 UTC */
	check(OID_TIMESTAMPTZ, "ffffffffffffffff", "2000-01-01T07:59:59.999999+08:00");
	check(OID_TIMESTAMPTZ, "00000000000186a0", "2000-01-01T08:00:00.1+08:00");
	check(OID_TIMESTAMPTZ, "fffca2fec4c82000", "1970-01-01T08:00:00+08:00");
	check(OID_TIMESTAMPTZ, "7fffffffffffffff", "infinity");
	check(OID_TIMESTAMPTZ, "8000000000000000", "-infinity");
	check(OID_TIMESTAMPTZ, "7ffffffffffffffe", NULL);
	check(OID_TIMESTAMPTZ, "8000000000000001", NULL);
	check(OID_TIMESTAMPTZ, "00000000", NULL);
}

static void days(void **state)
{
	(void)state;
	check(OID_DATE, "00000000", "2000-01-01");
	check(OID_DATE, "0000003b", "2000-02-29");
	check(OID_DATE, "ffffffff", "1999-12-31");
	check(OID_DATE, "002c95d3", "9999-12-31");
	check(OID_DATE, "002c95d4", NULL);
	check(OID_DATE, "fff4dbf9", "0001-01-01");
	check(OID_DATE, "fff4dbf8", NULL);
	check(OID_DATE, "7fffffff", "infinity");
}

static void the_rest(void **state)
{
	(void)state;
	check(OID_BOOL, "01", "t");
	check(OID_BOOL, "00", "f");
	check(OID_BOOL, "", NULL);
	check(OID_UUID, "0197f3a0000070008000100000000007", "0197f3a0-0000-7000-8000-100000000007");
	check(OID_UUID, "0197f3a0", NULL);
	check(OID_TEXT, "e5969ce58a9b", "喜力");
	check(OID_JSON, "7b7d", "{}");
	assert_false(binary_form_reads(OID_NUMERIC));
	assert_false(binary_form_reads(OID_JSONB));
	assert_false(binary_form_reads(OID_FLOAT8));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(integers), cmocka_unit_test(times), cmocka_unit_test(days),
		cmocka_unit_test(the_rest) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
