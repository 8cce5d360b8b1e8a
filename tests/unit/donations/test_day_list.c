/* The receipt platform's list of a day: what is read of it, and what is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/donations/day_list.h"

#define NO         "0123456789abcdef0123456789abcdef"
#define ISSUE(fen) "ISSUE," NO ",ABC,44060126,0000000001,abc123," fen ",VOIDED,2026-11-26 08:00:00,\n"
#define RED(fen)   "REVERSAL,r1,ABC,44060226,0000000002,abc124," fen ",ISSUED,2026-11-26 09:00:00," NO "\n"

static enum bill_fault read_text(const char *text, const char *expected)
{
	struct buf lines;
	buf_init(&lines, DAY_LIST_BYTES_MAX);
	enum bill_fault fault = day_list_read(str_of(text), STR("2026-11-26"), &lines);
	if (expected) assert_true(str_eq(str_span(lines.p, lines.n), str_of(expected)));
	buf_free(&lines);
	return fault;
}

static void reads_a_list(void **state)
{
	(void)state;
	static const char expected[] =
	    "[[\"ISSUE\",\"" NO
	    "\",\"ABC\",\"44060126\",\"0000000001\",\"abc123\",600,\"VOIDED\",\"2026-11-26 08:00:00\",\"\"],"
	    "[\"REVERSAL\",\"r1\",\"ABC\",\"44060226\",\"0000000002\",\"abc124\",-600,\"ISSUED\",\"2026-11-26 "
	    "09:00:00\",\"" NO "\"]]";
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("600") RED("-600") "END,2,600,-600\n", expected), BILL_OK);
	assert_int_equal(read_text("DAY,2026-11-26\nEND,0,0,0\n", "[]"), BILL_OK);
}

static void what_ends_too_early_is_truncated(void **state)
{
	(void)state;
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("600"), NULL), BILL_TRUNCATED);
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("600") "ISSUE,0123", NULL), BILL_TRUNCATED);
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("600") "END,2,600,0\n", NULL), BILL_TRUNCATED);
	assert_int_equal(read_text("DAY,2026-11-26\n", NULL), BILL_TRUNCATED);
}

static void what_is_no_list_is_garbage(void **state)
{
	(void)state;
	assert_int_equal(read_text("", NULL), BILL_GARBAGE);
	assert_int_equal(read_text("<html>", NULL), BILL_GARBAGE);
	assert_int_equal(read_text("DAY,2026-11-25\nEND,0,0,0\n", NULL), BILL_GARBAGE);
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("600") "END,1,601,0\n", NULL), BILL_GARBAGE);
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("0") "END,1,0,0\n", NULL), BILL_GARBAGE);
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("-600") "END,1,-600,0\n", NULL), BILL_GARBAGE);
	assert_int_equal(read_text("DAY,2026-11-26\n" RED("600") "END,1,0,600\n", NULL), BILL_GARBAGE);
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("600") "END,1,600,0\nmore\n", NULL), BILL_GARBAGE);
	assert_int_equal(
	    read_text("DAY,2026-11-26\nISSUE,a\"b,ABC,1,2,3,600,ISSUED,2026-11-26 08:00:00,\nEND,1,600,0\n", NULL),
	    BILL_GARBAGE);
	assert_int_equal(
	    read_text("DAY,2026-11-26\nISSUE,a,ABC,1,2,3,600,ISSUED,2026-02-30 08:00:00,\nEND,1,600,0\n", NULL),
	    BILL_GARBAGE);
	assert_int_equal(
	    read_text("DAY,2026-11-26\nISSUE,a,ABC,1,2,3,600,ISSUED,2026-11-26 08:00:00,,x\nEND,1,600,0\n", NULL),
	    BILL_GARBAGE);
}

/* Sums are the reader's own: no amount may be so large that a list of them overflows. */
static void what_no_gift_can_be_is_garbage(void **state)
{
	(void)state;
	assert_int_equal(read_text("DAY,2026-11-26\n" ISSUE("10000000000000")
				       RED("-10000000000000") "END,2,10000000000000,-10000000000000\n",
			     NULL),
	    BILL_OK);
	assert_int_equal(
	    read_text("DAY,2026-11-26\n" ISSUE("10000000000001") "END,1,10000000000001,0\n", NULL), BILL_GARBAGE);
	assert_int_equal(
	    read_text("DAY,2026-11-26\n" RED("-10000000000001") "END,1,0,-10000000000001\n", NULL), BILL_GARBAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_list),
		cmocka_unit_test(what_ends_too_early_is_truncated),
		cmocka_unit_test(what_is_no_list_is_garbage),
		cmocka_unit_test(what_no_gift_can_be_is_garbage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
