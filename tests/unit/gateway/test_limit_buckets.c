/* Debts of clients: counted as GCRA does, never forgotten while the table is full, and no table without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "gateway/limit/buckets.h"

static const int64_t S = 1000000000;

static struct rate_limit limit_of(int64_t burst, int64_t day)
{
	struct rate_limit l = { .id = STR("t"), .hash = 99, .window_count = 2 };
	l.windows[0] = (struct rate_window){ .name = STR("b"), .quota = burst, .window_s = 60 };
	l.windows[1] = (struct rate_window){ .name = STR("d"), .quota = day, .window_s = 86400 };
	for (unsigned i = 0; i < 2; i++) l.windows[i].interval_ns = l.windows[i].window_s * S / l.windows[i].quota;
	return l;
}

static unsigned spend(struct bucket *b, const struct rate_limit *l, int64_t now, unsigned tries)
{
	unsigned passed = 0;
	for (unsigned i = 0; i < tries; i++) {
		if (bucket_longest_wait_ns(b, l, now) > 0) continue;
		bucket_book(b, l, 1, now);
		passed++;
	}
	return passed;
}

static void a_quota_goes_at_once_and_comes_back_evenly(void **unused)
{
	(void)unused;
	struct rate_limit l = limit_of(60, 1000);
	struct buckets *all = buckets_new(16);
	struct bucket *b = buckets_get(all, &l, STR("1.2.3.4"), 5 * S, false);
	assert_int_equal(bucket_left(b, l.windows, 0, 5 * S), 60);
	assert_int_equal(spend(b, &l, 5 * S, 100), 60);
	assert_int_equal(bucket_left(b, l.windows, 0, 5 * S), 0);
	assert_int_equal(bucket_wait_ns(b, l.windows, 0, 5 * S), S);
	assert_int_equal(bucket_wait_ns(b, l.windows, 1, 5 * S), 0);
	assert_int_equal(spend(b, &l, 6 * S, 100), 1);
	assert_int_equal(spend(b, &l, 16 * S, 100), 10);
	assert_int_equal(spend(b, &l, 1000 * S, 100), 60);
	buckets_free(all);
}

static void the_longer_window_holds_too(void **unused)
{
	(void)unused;
	struct rate_limit l = limit_of(60, 100);
	struct buckets *all = buckets_new(16);
	struct bucket *b = buckets_get(all, &l, STR("1.2.3.4"), 0, false);
	assert_int_equal(spend(b, &l, 0, 100), 60);
	assert_int_equal(spend(b, &l, 60 * S, 100), 40);
	assert_true(bucket_wait_ns(b, l.windows, 1, 60 * S) > 800 * S);
	assert_int_equal(spend(b, &l, 60 * S + 864 * S, 100), 1);
	buckets_free(all);
}

static void one_of_several_processes_takes_its_part(void **unused)
{
	(void)unused;
	struct rate_limit l = limit_of(60, 1000);
	struct buckets *all = buckets_new(16);
	struct bucket *b = buckets_get(all, &l, STR("1.2.3.4"), 0, false);
	unsigned passed = 0;
	for (unsigned i = 0; i < 100 && bucket_longest_wait_ns(b, &l, 0) == 0; i++, passed++) bucket_book(b, &l, 2, 0);
	assert_int_equal(passed, 30);
	buckets_free(all);
}

static void limits_and_clients_are_apart(void **unused)
{
	(void)unused;
	struct rate_limit l = limit_of(60, 1000), other = limit_of(60, 1000);
	other.hash = 7;
	struct buckets *all = buckets_new(16);
	struct bucket *b = buckets_get(all, &l, STR("1.2.3.4"), 0, false);
	assert_ptr_equal(b, buckets_get(all, &l, STR("1.2.3.4"), 0, false));
	assert_ptr_not_equal(b, buckets_get(all, &other, STR("1.2.3.4"), 0, false));
	assert_ptr_not_equal(b, buckets_get(all, &l, STR("1.2.3.5"), 0, false));
	assert_int_equal(buckets_count(all), 3);
	buckets_free(all);
}

static struct bucket *nth(struct buckets *all, const struct rate_limit *l, unsigned n, int64_t now, bool elsewhere)
{
	char text[32];
	int length = snprintf(text, sizeof text, "10.%u.%u.%u", n >> 16, n >> 8 & 255, n & 255);
	return buckets_get(all, l, str_span(text, (size_t)length), now, elsewhere);
}

static void a_flood_of_clients_limits_itself(void **unused)
{
	(void)unused;
	enum { MAX = 1000, FLOOD = 50000 };
	struct rate_limit l = limit_of(60, 100000);
	struct buckets *all = buckets_new(MAX);
	struct bucket *victim = buckets_get(all, &l, STR("192.0.2.1"), 0, false);
	unsigned passed = 0;
	spend(victim, &l, 0, 60);
	for (unsigned i = 0; i < FLOOD; i++) passed += spend(nth(all, &l, i, 0, false), &l, 0, 1);
	assert_true(buckets_count(all) <= MAX + BUCKETS_SHARED);
	assert_true(buckets_shared(all) > FLOOD - 2 * MAX);
	assert_true(passed <= MAX + 60 * BUCKETS_SHARED);
	/* The debt from before the flood is still there. */
	assert_int_equal(spend(buckets_get(all, &l, STR("192.0.2.1"), 0, false), &l, 0, 10), 0);
	/* Once debts are paid, the table is everybody's again. */
	uint64_t shared = buckets_shared(all);
	for (unsigned i = FLOOD; i < FLOOD + 100; i++) spend(nth(all, &l, i, 120 * S, false), &l, 120 * S, 1);
	assert_int_equal(buckets_shared(all), shared);
	buckets_free(all);
}

static void what_redis_knows_may_be_forgotten(void **unused)
{
	(void)unused;
	struct rate_limit l = limit_of(60, 1000);
	struct buckets *all = buckets_new(100);
	for (unsigned i = 0; i < 1000; i++) spend(nth(all, &l, i, 0, true), &l, 0, 1);
	assert_int_equal(buckets_count(all), 100);
	assert_int_equal(buckets_shared(all), 0);
	buckets_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quota_goes_at_once_and_comes_back_evenly),
		cmocka_unit_test(the_longer_window_holds_too),
		cmocka_unit_test(one_of_several_processes_takes_its_part),
		cmocka_unit_test(limits_and_clients_are_apart),
		cmocka_unit_test(a_flood_of_clients_limits_itself),
		cmocka_unit_test(what_redis_knows_may_be_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
