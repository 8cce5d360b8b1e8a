/* Values of the second level, names of Vary, and the guard of order: what needs no Redis. */
#include "gateway/cache/l2_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gateway/cache/monotone.h"

static void test_value(void **state)
{
	struct buf out;
	struct l2_value v = { .seq = 1764000000000001,
		.response_time_us = 1764000000000002,
		.key = STR("v1|key"),
		.variant = STR("accept=a"),
		.tags = { STR("a"), STR("gift:B") },
		.tag_count = 2,
		.blob = STR("body \0 bytes") };
	struct l2_value back;
	(void)state;
	buf_init(&out, 2 * L2_BLOB_BYTES_MAX);
	assert_true(l2_value_write(&out, &v));
	assert_true(l2_value_read(buf_view(&out), &back));
	assert_true(back.seq == v.seq && back.response_time_us == v.response_time_us);
	assert_true(str_eq(back.key, v.key) && str_eq(back.variant, v.variant) && str_eq(back.blob, v.blob));
	assert_true(back.tag_count == 2 && str_eq(back.tags[1], STR("gift:B")));
	for (size_t n = 0; n < out.n - v.blob.n; n++) assert_false(l2_value_read(str_span(out.p, n), &back));
	out.p[0] = 'Z';
	assert_false(l2_value_read(buf_view(&out), &back));
	out.p[0] = 'Y';
	out.p[5] = '-';
	assert_false(l2_value_read(buf_view(&out), &back));
	v.tags[0] = STR("a b");
	assert_false(l2_value_write(&out, &v));
	v.tags[0] = STR("a");
	v.seq = -1;
	assert_false(l2_value_write(&out, &v));
	v.seq = 10000000000000000;
	assert_false(l2_value_write(&out, &v));
	buf_free(&out);
}

static void test_vary_names(void **state)
{
	char out[L2_VARY_BYTES_MAX];
	size_t n;
	(void)state;
	assert_true(l2_vary_union(STR(""), STR(""), out, &n) && n == 0);
	assert_true(l2_vary_union(STR("b,a"), STR("c, a"), out, &n));
	assert_true(str_eq(str_span(out, n), STR("a,b,c")));
	assert_false(l2_vary_union(STR("a,b,c,d,e,f,g,h,i"), STR("j,k,l,m,n,o,p,q"), out, &n));
}

static void test_order(void **state)
{
	struct monotone *m = monotone_new();
	(void)state;
	assert_true(monotone_pass(m, 7, 100));
	assert_true(monotone_pass(m, 7, 100));
	assert_false(monotone_pass(m, 7, 99));
	assert_true(monotone_pass(m, 7, 101));
	assert_false(monotone_pass(m, 7, 100));
	assert_true(monotone_pass(m, 8, 1));
	/* a full set: what it forgets is not served backwards */
	for (uint64_t i = 0; i < 5; i++) assert_true(monotone_pass(m, 9 + i * 16384, 1000 + (int64_t)i));
	assert_false(monotone_pass(m, 9, 999));
	assert_true(monotone_pass(m, 9, 1000));
	assert_true(monotone_pass(m, 0, 5));
	assert_false(monotone_pass(m, 0, 4));
	monotone_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_value),
		cmocka_unit_test(test_vary_names),
		cmocka_unit_test(test_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
