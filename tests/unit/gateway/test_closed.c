/* Closed sessions under a flood: bounded, and never taken for open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/auth/token.h"
#include "gateway/closed.h"
#include "gateway/revocations.h"

enum { START_S = 1800000000, LIFE_S = ACCESS_TOKEN_TTL_S + 60 };

static struct str session_of(char text[40], unsigned i)
{
	int n = snprintf(text, 40, "018f0000-0000-7000-8000-%012x", i);
	return str_span(text, (size_t)n);
}

static void closes(struct closed *c, unsigned i, int64_t at_s)
{
	char text[40];
	closed_add(c, session_of(text, i), at_s, at_s + LIFE_S, at_s);
}

static enum closed_verdict asks(const struct closed *c, unsigned i, int64_t issued_s, int64_t now_s)
{
	char text[40];
	return closed_check(c, session_of(text, i), issued_s, now_s);
}

static void an_entry_lives_as_long_as_its_tokens(void **unused)
{
	(void)unused;
	struct closed c;
	closed_init(&c, 100);
	assert_int_equal(asks(&c, 1, START_S, START_S), CLOSED_NO);
	closes(&c, 1, START_S);
	closes(&c, 1, START_S);
	assert_int_equal(closed_count(&c), 1);
	assert_int_equal(asks(&c, 1, START_S - 1, START_S), CLOSED_YES);
	assert_int_equal(asks(&c, 1, START_S - 1, START_S + LIFE_S), CLOSED_YES);
	assert_int_equal(asks(&c, 2, START_S - 1, START_S), CLOSED_NO);
	assert_int_equal(closed_check(&c, STR(""), START_S, START_S), CLOSED_NO);
	closed_tidy(&c, START_S + LIFE_S);
	assert_int_equal(closed_count(&c), 1);
	closed_tidy(&c, START_S + LIFE_S + 1);
	assert_int_equal(closed_count(&c), 0);
	closed_free(&c);
}

/* Ten closings a second for two hours, far below what fits: each is known to its end, nothing is unsure, little is held. */
static void a_quiet_day_forgets_nothing(void **unused)
{
	(void)unused;
	struct closed c;
	closed_init(&c, 20000);
	for (unsigned i = 0; i < 72000; i++) {
		int64_t now_s = START_S + i / 10;
		closes(&c, i, now_s);
		if (i >= 10 * LIFE_S && i % 97 == 0) {
			assert_int_equal(asks(&c, i - 10 * LIFE_S, now_s - LIFE_S, now_s), CLOSED_YES);
			assert_int_equal(asks(&c, i + 1, now_s - ACCESS_TOKEN_TTL_S, now_s), CLOSED_NO);
		}
		assert_true(closed_count(&c) <= 3 * 10 * LIFE_S);
	}
	assert_int_equal(c.forgotten, 0);
	closed_free(&c);
}

/* A thousand a second into room for two times 50,000: of every session ever closed, every token that still lives is refused. */
static void a_flood_never_opens_a_closed_session(void **unused)
{
	(void)unused;
	struct closed c;
	unsigned unsure = 0, asked = 0;
	closed_init(&c, 50000);
	for (unsigned i = 0; i < 1000000; i++) {
		int64_t now_s = START_S + i / 1000;
		closes(&c, i, now_s);
		assert_true(closed_count(&c) <= 100000);
		if (i % 991) continue;
		for (unsigned j = 0; j <= i; j += 1 + i / 50) {
			int64_t closed_s = START_S + j / 1000, issued_s = closed_s - (j % ACCESS_TOKEN_TTL_S);
			if (now_s > issued_s + ACCESS_TOKEN_TTL_S) continue;
			enum closed_verdict v = asks(&c, j, issued_s, now_s);
			if (v == CLOSED_NO) fail_msg("session %u is open again after %u", j, i);
			unsure += v == CLOSED_UNSURE;
			asked++;
		}
		/* what was issued since the watermark, and closed never, stays good: a refresh always helps */
		assert_int_equal(asks(&c, 2000000, now_s, now_s), CLOSED_NO);
		assert_int_equal(asks(&c, 2000000, now_s - 30, now_s), CLOSED_NO);
	}
	assert_true(asked > 1000 && unsure > 100);
	assert_true(c.forgotten >= 800000);
	int64_t after_s = START_S + 1000 + LIFE_S + 1;
	closed_tidy(&c, after_s);
	assert_int_equal(closed_count(&c), 0);
	assert_int_equal(asks(&c, 2000000, after_s - ACCESS_TOKEN_TTL_S, after_s), CLOSED_NO);
	closed_free(&c);
}

/* The real bound: nothing forgotten up to it. */
static void the_bound_holds_what_it_says(void **unused)
{
	(void)unused;
	struct closed c;
	closed_init(&c, REVOCATIONS_MAX);
	for (unsigned i = 0; i < 2 * REVOCATIONS_MAX; i++) closes(&c, i, START_S);
	assert_int_equal(closed_count(&c), 2 * REVOCATIONS_MAX);
	assert_int_equal(c.forgotten, 0);
	assert_true(c.now.slot_count <= 1 << 20 && c.before.slot_count <= 1 << 20);
	assert_int_equal(asks(&c, 0, START_S, START_S), CLOSED_YES);
	closes(&c, 2 * REVOCATIONS_MAX, START_S);
	assert_int_equal(c.forgotten, REVOCATIONS_MAX);
	assert_int_equal(asks(&c, 0, START_S, START_S), CLOSED_UNSURE);
	closed_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_lives_as_long_as_its_tokens),
		cmocka_unit_test(a_quiet_day_forgets_nothing),
		cmocka_unit_test(a_flood_never_opens_a_closed_session),
		cmocka_unit_test(the_bound_holds_what_it_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
