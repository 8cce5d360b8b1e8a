/* The limit of calls in flight, against models of services: a queue that fills, a mix of quick and slow, a service that gets slower. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/http/capacity.h"

/* A service of `workers` that need `work_us` each, always given as many calls as the limit allows (or `offered`): one second. */
static void run_second(
    struct capacity *c, struct latency_base *base, double workers, double work_us, unsigned offered, int64_t *now_ms)
{
	for (unsigned step = 0; step < 10; step++) {
		unsigned limit = capacity_limit(c), in_flight = limit < offered ? limit : offered;
		double took_us = in_flight > workers ? work_us * in_flight / workers : work_us;
		unsigned answers = (unsigned)(in_flight * 100000.0 / took_us) + 1;
		if (offered > limit) capacity_used_up(c);
		for (unsigned i = 0; i < answers; i++) capacity_answered(c, base, (int64_t)took_us, *now_ms + i % 100);
		*now_ms += 100;
	}
}

static void a_flooded_service_gets_what_it_can_do(void **unused)
{
	(void)unused;
	struct capacity c;
	struct latency_base base = { 0 };
	int64_t now_ms = 1000000;
	capacity_init(&c, 4, 1024, 4096);
	for (unsigned i = 0; i < 3; i++) run_second(&c, &base, 4, 10000, 2, &now_ms);
	for (unsigned i = 0; i < 60; i++) run_second(&c, &base, 4, 10000, 5000, &now_ms);
	assert_in_range(capacity_limit(&c), 4, 40); /* four at work, a few behind them */
	for (unsigned i = 0; i < 20; i++) run_second(&c, &base, 400, 10000, 5000, &now_ms);
	assert_true(capacity_limit(&c) > 400); /* it has grown: so does the limit */
}

static void quick_answers_never_shrink_it(void **unused)
{
	(void)unused;
	struct capacity c;
	struct latency_base base = { 0 };
	capacity_init(&c, 32, 1024, 4096);
	for (int64_t i = 0; i < 100000; i++) capacity_answered(&c, &base, i < 1000 ? 100 : 40000, i);
	assert_int_equal(capacity_limit(&c), 1024);
}

static void a_few_slow_operations_take_no_room(void **unused)
{
	(void)unused;
	struct capacity c;
	struct latency_base read = { 0 }, pay = { 0 };
	capacity_init(&c, 32, 1024, 4096);
	for (int64_t i = 0; i < 100000; i++) {
		capacity_answered(&c, &read, 1000, i);
		if (i % 5 == 0) capacity_answered(&c, &pay, i < 10000 ? 50000 : 5000000, i);
	}
	assert_int_equal(capacity_limit(&c), 1024);
}

static void the_least_is_kept_and_the_worst_forgotten(void **unused)
{
	(void)unused;
	struct capacity c;
	struct latency_base base = { 0 };
	capacity_init(&c, 32, 1024, 4096);
	for (int64_t i = 0; i < 2000; i++) capacity_answered(&c, &base, 10000, i);
	for (int64_t i = 2000; i < 60000; i++) capacity_answered(&c, &base, 10000000, i);
	assert_int_equal(capacity_limit(&c), 32);
	/* It stays so slow: after some minutes that is what it takes, and nobody is held back for it. */
	for (int64_t i = 60000; i < 600000; i += 10) {
		if (i % 1000 == 0) capacity_used_up(&c);
		capacity_answered(&c, &base, 40000, i);
	}
	assert_true(capacity_limit(&c) > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flooded_service_gets_what_it_can_do),
		cmocka_unit_test(quick_answers_never_shrink_it),
		cmocka_unit_test(a_few_slow_operations_take_no_room),
		cmocka_unit_test(the_least_is_kept_and_the_worst_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
