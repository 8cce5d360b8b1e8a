/* CORS decisions: exact origins, "*" only for public operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/cors.h"

static struct arena arena;

static enum cors_verdict decide(const char *list, const char *origin, bool public_operation)
{
	struct cors c;
	cors_read(&c, &arena, str_of(list));
	return cors_decide(&c, str_of(origin), public_operation);
}

static void decides_by_exact_origin(void **unused)
{
	(void)unused;
	const char *list = "https://a.example, https://b.example:8443";
	assert_int_equal(decide(list, NULL, false), CORS_ABSENT);
	assert_int_equal(decide(list, "https://a.example", false), CORS_ORIGIN);
	assert_int_equal(decide(list, "https://b.example:8443", true), CORS_ORIGIN);
	static const char *const wrong[] = { "https://a.example.evil.net", "http://a.example", "https://A.example",
		"https://a.example:443", "https://b.example", "null", "", "https://a.example, https://b.example:8443" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) assert_int_equal(decide(list, wrong[i], true), CORS_FORBIDDEN);
}

static void star_is_for_public_operations(void **unused)
{
	(void)unused;
	assert_int_equal(decide("*", "https://x.example", true), CORS_ANY);
	assert_int_equal(decide("*", "https://x.example", false), CORS_FORBIDDEN);
	assert_int_equal(decide("*,https://x.example", "https://x.example", false), CORS_ORIGIN);
}

static void nothing_listed_allows_nothing(void **unused)
{
	(void)unused;
	struct cors c;
	cors_read(&c, &arena, STR_NONE);
	assert_false(cors_enabled(&c));
	assert_int_equal(cors_decide(&c, STR("https://x.example"), true), CORS_FORBIDDEN);
}

static void texts_are_whole(void **unused)
{
	(void)unused;
	assert_true(str_ends(CORS_ALLOW_HEADERS, STR("tracestate")));
	assert_true(str_contains(CORS_EXPOSE_HEADERS, STR("Idempotency-Replayed")));
	assert_true(str_contains(CORS_EXPOSE_HEADERS, STR("Content-Disposition"))); /* an export's name */
	assert_true(str_contains(CORS_EXPOSE_HEADERS, STR("WWW-Authenticate"))); /* which scope would do */
	assert_true(str_ends(CORS_EXPOSE_HEADERS, STR("RateLimit-Policy")));
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
		cmocka_unit_test_teardown(decides_by_exact_origin, release),
		cmocka_unit_test_teardown(star_is_for_public_operations, release),
		cmocka_unit_test_teardown(nothing_listed_allows_nothing, release),
		cmocka_unit_test_teardown(texts_are_whole, release),
	};
	arena_init(&arena, 4096, 1 << 20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
