/* Trace context: what is continued, what begins anew, what is passed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/service/trace.h"

#define ID     "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static struct arena arena;

static struct trace begin(const char *parent, const char *state)
{
	struct http_field f[] = { { STR("traceparent"), str_of(parent) }, { STR("tracestate"), str_of(state) } };
	struct trace t;
	trace_begin(&t, &arena, (struct http_fields){ f, state ? 2 : 1 });
	return t;
}

static void continues_a_valid_parent(void **unused)
{
	(void)unused;
	char out[TRACEPARENT_BYTES];
	struct trace t = begin("00-" ID "-" PARENT "-01", NULL);
	assert_true(t.continued);
	assert_memory_equal(t.trace_id, ID, TRACE_ID_BYTES);
	assert_memory_equal(t.parent_id, PARENT, SPAN_ID_BYTES);
	assert_memory_not_equal(t.span_id, PARENT, SPAN_ID_BYTES);
	trace_format(&t, out);
	assert_memory_equal(out, "00-" ID "-", 36);
	assert_memory_equal(out + 36, t.span_id, SPAN_ID_BYTES);
	assert_memory_equal(out + 52, "-01", 3);
	assert_false(begin("00-" ID "-" PARENT "-00", NULL).flags & 1);
	assert_true(begin("cc-" ID "-" PARENT "-01-what-comes-later", NULL).continued);
}

static void begins_anew_when_malformed(void **unused)
{
	(void)unused;
	static const char *const bad[] = { "", "00-" ID "-" PARENT "-1", "00-" ID "-" PARENT "-01-more",
		"ff-" ID "-" PARENT "-01", "cc-" ID "-" PARENT "-01.more",
		"00-00000000000000000000000000000000-" PARENT "-01", "00-" ID "-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", "00-" ID "-" PARENT "-0.",
		"00_" ID "-" PARENT "-01", "0g-" ID "-" PARENT "-01" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct trace t = begin(bad[i], "foo=1");
		assert_false(t.continued);
		assert_memory_not_equal(t.trace_id, ID, TRACE_ID_BYTES);
		assert_null(t.state.p); /* a state without its parent means nothing */
	}
	struct http_field twice[] = { { STR("traceparent"), STR("00-" ID "-" PARENT "-01") },
		{ STR("Traceparent"), STR("00-" ID "-" PARENT "-01") } };
	struct trace t;
	trace_begin(&t, &arena, (struct http_fields){ twice, 2 });
	assert_false(t.continued);
}

static void assert_state(const char *given, const char *kept)
{
	struct trace t = begin("00-" ID "-" PARENT "-01", given);
	if (!kept)
		assert_null(t.state.p);
	else {
		assert_int_equal(t.state.n, strlen(kept));
		assert_memory_equal(t.state.p, kept, t.state.n);
	}
}

static void keeps_only_a_valid_state(void **unused)
{
	(void)unused;
	char many[33 * 8] = "";
	assert_state("foo=1 \t , \t bar=2, ,baz=3", "foo=1,bar=2,baz=3");
	assert_state("t0@sys=x y", "t0@sys=x y");
	assert_state("foo=1,foo=1", "foo=1,foo=1");
	assert_state("Foo=1", NULL);
	assert_state("foo=1=2", NULL);
	assert_state("foo", NULL);
	assert_state("foo=", NULL);
	assert_state("1foo=1", "1foo=1");
	assert_state("a@=1,foo@bar@baz=2,c*/_-=3", "a@=1,foo@bar@baz=2,c*/_-=3");
	assert_state("@a=1,b=2", NULL);
	assert_state("_a=1", NULL);
	assert_state("foo.bar=1", NULL);
	assert_state("foo @=1", NULL);
	for (int i = 0; i < 33; i++) snprintf(many + strlen(many), 8, "%sb%02d=1", i ? "," : "", i);
	assert_state(many, NULL); /* 33 members */
}

static void cuts_a_long_state_at_a_member(void **unused)
{
	(void)unused;
	char value[900] = "a=";
	memset(value + 2, 'x', 250);
	memcpy(value + 252, ",b=", 3);
	memset(value + 255, 'y', 250);
	memcpy(value + 505, ",c=", 3);
	memset(value + 508, 'z', 100);
	struct trace t = begin("00-" ID "-" PARENT "-01", value);
	assert_int_equal(t.state.n, 505);
}

static int release(void **unused)
{
	(void)unused;
	arena_release(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(continues_a_valid_parent, release),
		cmocka_unit_test_teardown(begins_anew_when_malformed, release),
		cmocka_unit_test_teardown(keeps_only_a_valid_state, release),
		cmocka_unit_test_teardown(cuts_a_long_state_at_a_member, release),
	};
	arena_init(&arena, 4096, 1 << 20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
