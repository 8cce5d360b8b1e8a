/* Breaker, ejection and retry budget over invented minutes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/http/health.h"

static bool tell(struct health *h, unsigned count, enum call_outcome outcome, int64_t now_ms)
{
	bool opened = false;
	for (unsigned i = 0; i < count; i++) opened |= health_end(h, false, outcome, now_ms);
	return opened;
}

static void few_failures_say_nothing(void **unused)
{
	(void)unused;
	struct health h = { 0 };
	assert_false(tell(&h, 19, OUTCOME_FAILED, 5000));
	assert_false(tell(&h, 19, OUTCOME_FAILED, 50000)); /* the first ones are forgotten */
	assert_false(tell(&h, 30, OUTCOME_WELL, 51000));
	assert_false(tell(&h, 10, OUTCOME_FAILED, 51000));
	assert_true(tell(&h, 2, OUTCOME_FAILED, 51000));
	assert_int_equal(h.state, BREAKER_OPEN);
}

static void bad_answers_alone_open_nothing(void **unused)
{
	(void)unused;
	struct health h = { 0 };
	assert_false(tell(&h, 1000, OUTCOME_BAD, 5000));
	assert_true(health_allows(&h, 5000));
}

static void it_opens_tries_and_closes(void **unused)
{
	(void)unused;
	struct health h = { 0 };
	assert_true(tell(&h, 20, OUTCOME_FAILED, 5000));
	assert_false(health_allows(&h, 5000));
	assert_false(health_allows(&h, 5999));
	assert_true(health_allows(&h, 6000));
	assert_true(health_begin(&h));
	assert_true(health_allows(&h, 6000));
	assert_true(health_begin(&h));
	assert_false(health_allows(&h, 6000)); /* two at a time */
	assert_false(health_end(&h, false, OUTCOME_FAILED, 6001)); /* from before */
	health_release(&h, true); /* its client left */
	assert_true(health_end(&h, true, OUTCOME_FAILED, 6100));
	assert_false(health_allows(&h, 8099)); /* twice as long now */
	for (unsigned i = 0; i < 3; i++) {
		assert_true(health_allows(&h, 8100));
		assert_true(health_begin(&h));
		assert_false(health_end(&h, true, OUTCOME_WELL, 8100));
	}
	assert_int_equal(h.state, BREAKER_CLOSED);
	assert_false(health_begin(&h));
}

static void the_pause_has_an_end(void **unused)
{
	(void)unused;
	struct health h = { 0 };
	int64_t now_ms = 5000;
	for (unsigned i = 0; i < 20; i++) {
		health_eject(&h, now_ms);
		assert_true(h.open_until_ms - now_ms <= 30000);
		now_ms = h.open_until_ms;
		assert_true(health_allows(&h, now_ms));
	}
}

static void the_one_that_is_worse_goes(void **unused)
{
	(void)unused;
	struct health three[3] = { 0 };
	struct health *const all[3] = { &three[0], &three[1], &three[2] };
	for (unsigned i = 0; i < 3; i++) tell(&three[i], 50, OUTCOME_WELL, 5000);
	assert_int_equal(health_outlier(all, 3, 5000), -1);
	tell(&three[1], 60, OUTCOME_BAD, 5000);
	assert_int_equal(health_outlier(all, 3, 5000), 1);
	health_eject(&three[1], 5000);
	tell(&three[2], 100, OUTCOME_BAD, 5000);
	assert_int_equal(health_outlier(all, 3, 5000), -1); /* more than half would be out */
}

static void what_is_wrong_everywhere_is_nobodys_fault(void **unused)
{
	(void)unused;
	struct health two[2] = { 0 };
	struct health *const all[2] = { &two[0], &two[1] };
	tell(&two[0], 50, OUTCOME_BAD, 5000);
	tell(&two[1], 40, OUTCOME_BAD, 5000);
	assert_int_equal(health_outlier(all, 2, 5000), -1);
	assert_int_equal(health_outlier(all, 1, 5000), -1);
}

static void repetitions_are_a_fifth_and_three_a_minute(void **unused)
{
	(void)unused;
	struct retry_budget b = { 0 };
	unsigned taken = 0;
	for (unsigned i = 0; i < 1000; i++) retry_budget_sent(&b, 100000);
	for (unsigned i = 0; i < 1000; i++) taken += retry_budget_take(&b, 100000);
	assert_int_equal(taken, 203);
	taken = 0;
	for (unsigned i = 0; i < 1000; i++) taken += retry_budget_take(&b, 140000);
	assert_int_equal(taken, 2);
	for (unsigned i = 0; i < 1000; i++) taken += retry_budget_take(&b, 1000000);
	assert_int_equal(taken, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_failures_say_nothing),
		cmocka_unit_test(bad_answers_alone_open_nothing),
		cmocka_unit_test(it_opens_tries_and_closes),
		cmocka_unit_test(the_pause_has_an_end),
		cmocka_unit_test(the_one_that_is_worse_goes),
		cmocka_unit_test(what_is_wrong_everywhere_is_nobodys_fault),
		cmocka_unit_test(repetitions_are_a_fifth_and_three_a_minute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
