/* Turns and rests of the jobs' calls to WeChat Pay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/donations/pace.h"

static void spaces_turns_evenly(void **state)
{
	(void)state;
	struct pace p = { 0 };
	assert_int_equal(pace_turn(&p, 1000), 0);
	for (int i = 1; i < 100; i++) assert_int_equal(pace_turn(&p, 1000), i * PACE_INTERVAL_MS);
	assert_int_equal(pace_turn(&p, 1000 + 40 * PACE_INTERVAL_MS), 60 * PACE_INTERVAL_MS);
	assert_int_equal(pace_turn(&p, 10000), 0); /* what was not used is not saved up */
	assert_int_equal(pace_turn(&p, 10000), PACE_INTERVAL_MS);
}

static void rests_ever_longer(void **state)
{
	(void)state;
	struct pace p = { 0 };
	int64_t now = 1000;
	for (int64_t rest = PACE_REST_LEAST_MS; rest < PACE_REST_MOST_MS; rest *= 2) {
		assert_int_equal(pace_rest_left(&p, now), 0);
		pace_limited(&p, now);
		pace_limited(&p, now + 3); /* was on its way already */
		assert_int_equal(pace_rest_left(&p, now), rest);
		assert_int_equal(pace_turn(&p, now + 10), rest - 10);
		now += rest;
	}
	for (int i = 0; i < 3; i++) {
		pace_limited(&p, now);
		assert_int_equal(pace_rest_left(&p, now), PACE_REST_MOST_MS);
		now += PACE_REST_MOST_MS;
	}
	pace_taken(&p, now);
	pace_limited(&p, now);
	assert_int_equal(pace_rest_left(&p, now), PACE_REST_LEAST_MS);
	pace_taken(&p, now + 1); /* sent before: says nothing of now */
	assert_int_equal(pace_rest_left(&p, now + 1), PACE_REST_LEAST_MS - 1);
	pace_limited(&p, now + PACE_REST_LEAST_MS);
	assert_int_equal(pace_rest_left(&p, now + PACE_REST_LEAST_MS), 2 * PACE_REST_LEAST_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spaces_turns_evenly),
		cmocka_unit_test(rests_ever_longer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
