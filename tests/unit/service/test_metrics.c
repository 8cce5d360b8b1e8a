/* Metrics: exposition, identity of series, histograms, escaping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/service/metrics.h"

static struct metrics *m;
static struct buf text;

static int setup(void **unused)
{
	(void)unused;
	m = metrics_new();
	buf_init(&text, 1 << 20);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	metrics_free(m);
	buf_free(&text);
	return 0;
}

static void assert_has(const char *line)
{
	if (!str_contains(buf_view(&text), str_of(line)))
		fail_msg("missing: %s\nin:\n%.*s", line, STR_FMT(buf_view(&text)));
}

static double seven(void *arg)
{
	(void)arg;
	return 7.25;
}

static void writes_each_type_once(void **unused)
{
	(void)unused;
	struct metric_label a = { "pool", STR("one") }, b = { "pool", STR("t\"w\\o\n") };
	*metrics_counter(m, "c_total", "Counted.", &a, 1) += 3;
	*metrics_counter(m, "c_total", "Counted.", &b, 1) += 4;
	*metrics_gauge(m, "g", "Set.", NULL, 0) = -5;
	metrics_gauge_fn(m, "r", "Read.", NULL, 0, seven, NULL);
	metrics_write(m, &text);
	assert_has("# HELP c_total Counted.\n# TYPE c_total counter\nc_total{pool=\"one\"} "
		   "3\nc_total{pool=\"t\\\"w\\\\o\\n\"} 4\n"
		   "# HELP g");
	assert_has("# TYPE g gauge\ng -5\n");
	assert_has("\nr 7.25\n");
}

static void finds_the_same_series_again(void **unused)
{
	(void)unused;
	struct operation_metrics first, again;
	metrics_operation(m, STR("gift_create"), STR("POST"), &first);
	operation_metrics_count(&first, 201, 300000);
	metrics_operation(m, STR("gift_create"), STR("POST"), &again);
	assert_ptr_equal(first.duration, again.duration);
	operation_metrics_count(&again, 422, 20000000000);
	operation_metrics_count(&again, 0, 1);
	metrics_write(m, &text);
	assert_has("yg_http_requests_total{operation=\"gift_create\",method=\"POST\",status=\"2xx\"} 1\n");
	assert_has("status=\"4xx\"} 1\n");
	assert_has("status=\"dropped\"} 1\n");
	assert_has("_bucket{operation=\"gift_create\",le=\"0.00025\"} 1\n");
	assert_has("_bucket{operation=\"gift_create\",le=\"0.0005\"} 2\n");
	assert_has("_bucket{operation=\"gift_create\",le=\"10\"} 2\n");
	assert_has("_bucket{operation=\"gift_create\",le=\"+Inf\"} 3\n");
	assert_has("_count{operation=\"gift_create\"} 3\n");
	assert_has("_sum{operation=\"gift_create\"} 20.0003");
}

static void never_grows_without_end(void **unused)
{
	(void)unused;
	char value[16];
	for (int i = 0; i < METRICS_SERIES_MAX + 10; i++) {
		int n = snprintf(value, sizeof value, "%d", i);
		struct metric_label l = { "x", str_span(value, (size_t)n) };
		++*metrics_counter(m, "many_total", "Many.", &l, 1);
	}
	metrics_write(m, &text);
	size_t lines = 0;
	for (size_t i = 0; i < text.n; i++) lines += text.p[i] == '\n';
	assert_int_equal(lines, METRICS_SERIES_MAX + 2);
}

/* As reloads do: again and again, more often than there would be memory for. */
static void test_what_is_there_takes_no_memory_again(void **state)
{
	struct metric_label label = { "route", STR("a name that is not very short, as operations have them") };
	uint64_t *first = metrics_counter(m, "yg_again_total", "again", &label, 1);
	(void)state;
	for (int i = 0; i < 400000; i++)
		assert_ptr_equal(metrics_counter(m, "yg_again_total", "again", &label, 1), first);
	label.value = STR("another");
	assert_ptr_not_equal(metrics_counter(m, "yg_again_total", "again", &label, 1), first);
	metrics_write(m, &text);
	assert_has("yg_again_total{route=\"another\"} 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_each_type_once, setup, teardown),
		cmocka_unit_test_setup_teardown(finds_the_same_series_again, setup, teardown),
		cmocka_unit_test_setup_teardown(never_grows_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_there_takes_no_memory_again, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
