/* The rules of a shared cache: what answers say of themselves, and what is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/cache/rules.h"

enum { NOW_S = 1700000000 };
#define NOW_MS ((int64_t)NOW_S * 1000)

/* Fields from pairs of text, ended by NULL. */
static struct http_fields fields_of(struct http_field *items, const char *const *pairs)
{
	unsigned count = 0;
	for (; pairs[0]; pairs += 2) items[count++] = (struct http_field){ str_of(pairs[0]), str_of(pairs[1]) };
	return (struct http_fields){ items, count };
}
#define FIELDS(...)                                                                                                    \
	fields_of((struct http_field[16]){ { STR_NONE, STR_NONE } }, (const char *const[]){ __VA_ARGS__, NULL })

static struct arena arena;

static struct policy policy_of(int status, struct http_fields f)
{
	struct policy p;
	rules_policy(&arena, status, f, (struct answer_times){ NOW_MS, NOW_MS }, &p);
	return p;
}

#define assert_lifetime(s, ...) assert_int_equal(policy_of(200, FIELDS(__VA_ARGS__)).lifetime_ms, (int64_t)(s)*1000)

static void reads_directives(void **unused)
{
	(void)unused;
	struct directives d;
	rules_directives(FIELDS("Cache-Control", "a=\"max-age=1, no-store\", MAX-AGE=5, max-age=9", "cache-control",
			     "no-cache=\"x, y\" , private,stale-if-error = 7"),
	    STR("cache-control"), &d);
	assert_true(str_eq(d.values[DIRECTIVE_MAX_AGE], STR("5")));
	assert_true(str_eq(d.values[DIRECTIVE_NO_CACHE], STR("x, y")));
	assert_true(directive_has(&d, DIRECTIVE_PRIVATE) && !d.values[DIRECTIVE_PRIVATE].p);
	assert_true(str_eq(d.values[DIRECTIVE_STALE_IF_ERROR], STR("7")));
	assert_false(directive_has(&d, DIRECTIVE_NO_STORE));
	rules_directives(FIELDS("Cache-Control", "no-store junk, max-age=\"3\"x, =, ,,"), STR("cache-control"), &d);
	assert_int_equal(d.found & (1u << DIRECTIVE_MAX_AGE), 0);
	assert_int_equal(rules_seconds(STR("99999999999999999999")), INT64_C(1) << 31);
	assert_int_equal(rules_seconds(STR("-1")), 0);
	assert_int_equal(rules_seconds(STR("1.5")), 0);
	assert_int_equal(rules_seconds(STR_NONE), 0);
}

static void finds_lifetimes(void **unused)
{
	(void)unused;
	assert_lifetime(60, "Cache-Control", "max-age=60");
	assert_lifetime(10, "Cache-Control", "max-age=60, s-maxage=10");
	assert_lifetime(60, "Cache-Control", "max-age=60", "Expires", "Thu, 01 Jan 1970 00:00:00 GMT");
	assert_lifetime(0, "Cache-Control", "max-age=abc", "Expires", "Tue, 14 Nov 2023 23:13:20 GMT");
	assert_lifetime(3600, "Date", "Tue, 14 Nov 2023 22:13:20 GMT", "Expires", "Tue, 14 Nov 2023 23:13:20 GMT");
	assert_lifetime(0, "Expires", "0");
	assert_lifetime(0, "Expires", "Tue, 14 Nov 2023 23:13:20 GMT", "Expires", "Tue, 14 Nov 2023 23:13:20 GMT");
	/* a tenth of its age */
	assert_lifetime(360, "Date", "Tue, 14 Nov 2023 22:13:20 GMT", "Last-Modified", "Tue, 14 Nov 2023 21:13:20 GMT");
	assert_false(policy_of(200, FIELDS("Last-Modified", "Tue, 14 Nov 2023 21:13:20 GMT")).explicit_lifetime);
	assert_int_equal(policy_of(599, FIELDS("Last-Modified", "Tue, 14 Nov 2023 21:13:20 GMT")).lifetime_ms, 0);
}

static void targeted_control_wins_or_counts_for_nothing(void **unused)
{
	(void)unused;
	assert_lifetime(30, "Cache-Control", "max-age=60", "CDN-Cache-Control", "max-age=30");
	assert_lifetime(30, "Cache-Control", "no-store", "CDN-Cache-Control", "max-age=30", "Expires", "0");
	assert_true(policy_of(200, FIELDS("Cache-Control", "no-store", "CDN-Cache-Control", "max-age=30")).storable);
	assert_lifetime(60, "Cache-Control", "max-age=60", "CDN-Cache-Control", "max-age=30, A B");
	assert_lifetime(60, "Cache-Control", "max-age=60", "CDN-Cache-Control", "max-age=\"30\"");
	assert_lifetime(60, "Cache-Control", "max-age=60", "CDN-Cache-Control", "max-age=-1");
	assert_lifetime(20, "CDN-Cache-Control", "max-age=30", "CDN-Cache-Control", "max-age=20");
	assert_false(policy_of(200, FIELDS("CDN-Cache-Control", "private")).storable);
	assert_true(policy_of(200, FIELDS("CDN-Cache-Control", "private=?0, max-age=1")).storable);
}

static void reads_ages(void **unused)
{
	(void)unused;
	static const struct {
		const char *age;
		int64_t s;
	} cases[] = { { "7", 7 }, { "7, 9", 7 }, { "abc", 0 }, { "-7", 0 }, { "7.0", 0 }, { "7200;a=b", 0 },
		{ "2147483649", INT64_C(1) << 31 }, { "99999999999999999999999", INT64_C(1) << 31 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy p = policy_of(200, FIELDS("Age", cases[i].age));
		if (p.initial_age_ms != cases[i].s * 1000) fail_msg("Age: %s", cases[i].age);
	}
	assert_int_equal(policy_of(200, FIELDS("Date", "Tue, 14 Nov 2023 22:13:10 GMT")).initial_age_ms, 10000);
	struct policy p;
	rules_policy(&arena, 200, FIELDS("Age", "5"), (struct answer_times){ NOW_MS - 1500, NOW_MS }, &p);
	assert_int_equal(p.initial_age_ms, 6500); /* the time it took to ask counts */
}

static void reads_dates(void **unused)
{
	(void)unused;
	static const struct {
		const char *text;
		int64_t s; /* -1: none */
	} cases[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "sun, 06 NOV 1994 08:49:37 gmt", 784111777 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
		{ "Sun Nov  6 08:49:37 1994", 784111777 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
		{ "Sunday, 06-Nov-50 08:49:37 GMT", 2551337377 },
		{ "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
		{ "Sun, 06 Nov 94 08:49:37 GMT", -1 },
		{ "Sun 06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06-Nov-1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 8:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08.49.37 GMT", -1 },
		{ "Sun, 06 Nov 1994 24:00:00 GMT", -1 },
		{ "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
		{ "06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT, x", -1 },
		{ "0", -1 },
		{ "", -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t s = -1;
		bool ok = rules_date(str_of(cases[i].text), NOW_S, &s);
		if (ok != (cases[i].s >= 0) || s != cases[i].s) fail_msg("\"%s\": %lld", cases[i].text, (long long)s);
	}
}

static void knows_what_may_be_kept(void **unused)
{
	(void)unused;
	const struct keep_options all = { .store_cookies = true, .heuristics = true }, house = { 0 };
	static const struct http_fields none = { 0 };
#define KEEPS(status, asked, options, ...)                                                                             \
	({                                                                                                             \
		struct http_fields f_ = FIELDS(__VA_ARGS__);                                                           \
		struct policy p_ = policy_of(status, f_);                                                              \
		rules_keep(STR("GET"), status, f_, asked, &p_, options);                                               \
	})
	struct http_fields known = { &(struct http_field){ STR("Authorization"), STR("Bearer x") }, 1 };
	assert_true(KEEPS(200, none, &house, "Cache-Control", "max-age=9"));
	assert_true(KEEPS(599, none, &house, "Cache-Control", "max-age=9"));
	assert_false(KEEPS(304, none, &house, "Cache-Control", "max-age=9"));
	assert_false(KEEPS(206, none, &house, "Cache-Control", "max-age=9"));
	assert_false(KEEPS(200, none, &house, "Cache-Control", "max-age=9, no-store"));
	assert_false(KEEPS(200, none, &house, "Cache-Control", "max-age=9, private"));
	assert_true(KEEPS(200, none, &house, "Cache-Control", "max-age=9, private=\"set-cookie\""));
	assert_false(KEEPS(200, none, &house, "Cache-Control", "max-age=9", "Vary", "Accept", "Vary", "b, *"));
	assert_true(KEEPS(200, none, &house, "Cache-Control", "max-age=9, no-store, must-understand"));
	assert_false(KEEPS(299, none, &house, "Cache-Control", "max-age=9, no-store, must-understand"));
	assert_false(KEEPS(299, none, &house, "Cache-Control", "max-age=9, must-understand"));
	assert_false(KEEPS(200, known, &all, "Cache-Control", "max-age=9"));
	assert_true(KEEPS(200, known, &all, "Cache-Control", "max-age=9, public"));
	assert_true(KEEPS(200, known, &all, "Cache-Control", "s-maxage=9"));
	assert_false(KEEPS(200, none, &house, "Cache-Control", "max-age=9", "Set-Cookie", "a=b"));
	assert_true(KEEPS(200, none, &all, "Cache-Control", "max-age=9", "Set-Cookie", "a=b"));
	assert_false(KEEPS(200, none, &house, "Last-Modified", "Tue, 14 Nov 2023 21:13:20 GMT"));
	assert_true(KEEPS(200, none, &all, "Last-Modified", "Tue, 14 Nov 2023 21:13:20 GMT"));
	assert_false(KEEPS(200, none, &all, "X", "y"));
}

static void forbids_stale_answers(void **unused)
{
	(void)unused;
	static const char *const strict[] = { "must-revalidate", "proxy-revalidate", "s-maxage=1", "no-cache" };
	for (size_t i = 0; i < ARRAY_LEN(strict); i++)
		assert_true(policy_of(200, FIELDS("Cache-Control", strict[i])).strict);
	assert_false(policy_of(200, FIELDS("Cache-Control", "max-age=1, no-cache=\"a\"")).strict);
	struct policy p =
	    policy_of(200, FIELDS("Cache-Control", "max-age=1, stale-while-revalidate=5, stale-if-error=7"));
	assert_int_equal(p.while_revalidate_ms, 5000);
	assert_int_equal(p.if_error_ms, 7000);
}

static struct str selecting(struct http_fields asked, struct str name)
{
	static struct buf out;
	buf_init(&out, 4096);
	rules_selecting(&out, asked, name);
	struct str copy = arena_str(&arena, buf_view(&out));
	buf_free(&out);
	return copy;
}

static void compares_selecting_fields(void **unused)
{
	(void)unused;
	struct str a = selecting(FIELDS("Foo", "1", "FOO", "2"), STR("foo"));
	assert_true(str_eq(a, selecting(FIELDS("foo", "1,  2"), STR("Foo"))));
	assert_false(str_eq(a, selecting(FIELDS("foo", "2, 1"), STR("foo"))));
	assert_false(str_eq(selecting(FIELDS("a", ""), STR("a")), selecting(FIELDS("b", ""), STR("a"))));
	struct str l = selecting(FIELDS("Accept-Language", "en; q=0.5, ZH"), STR("accept-language"));
	assert_true(str_eq(l, selecting(FIELDS("accept-language", "zh,EN;q=0.5"), STR("Accept-Language"))));
}

static void answers_conditions(void **unused)
{
	(void)unused;
	struct str date = STR("Tue, 14 Nov 2023 22:13:20 GMT"), later = STR("Tue, 14 Nov 2023 22:13:21 GMT");
	assert_true(rules_not_modified(FIELDS("If-None-Match", "\"a,b\", W/\"c\""), STR("\"c\""), STR_NONE, NOW_S));
	assert_true(rules_not_modified(
	    FIELDS("If-None-Match", "\"x\"", "If-None-Match", "\"a,b\""), STR("W/\"a,b\""), STR_NONE, NOW_S));
	assert_true(rules_not_modified(FIELDS("If-None-Match", " * "), STR_NONE, STR_NONE, NOW_S));
	assert_true(rules_not_modified(FIELDS("If-None-Match", "bare"), STR("bare"), STR_NONE, NOW_S));
	assert_false(rules_not_modified(FIELDS("If-None-Match", "\"a\""), STR("\"b\""), date, NOW_S));
	assert_false(rules_not_modified(
	    FIELDS("If-None-Match", "\"a\"", "If-Modified-Since", later.p), STR("\"b\""), date, NOW_S));
	assert_true(rules_not_modified(FIELDS("If-Modified-Since", later.p), STR("\"b\""), date, NOW_S));
	assert_false(rules_not_modified(FIELDS("If-Modified-Since", date.p), STR("\"b\""), later, NOW_S));
	assert_false(rules_not_modified(FIELDS("If-Modified-Since", "yesterday"), STR_NONE, date, NOW_S));
}

static void cuts_ranges(void **unused)
{
	(void)unused;
	static const struct {
		const char *range;
		long from, to; /* -1: the whole */
	} cases[] = { { "bytes=0-0", 0, 0 }, { "bytes=2-", 2, 9 }, { "bytes=-3", 7, 9 }, { "bytes=-30", 0, 9 },
		{ "bytes=3-99", 3, 9 }, { "bytes=3-99999999999999999999999", 3, 9 }, { "bytes=10-", -1, 0 },
		{ "bytes=5-4", -1, 0 }, { "bytes=-", -1, 0 }, { "bytes=1-2,4-5", -1, 0 }, { "lines=1-2", -1, 0 },
		{ "bytes=a-b", -1, 0 }, { "bytes=-0", -1, 0 }, { "bytes= 1-2", -1, 0 } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t from = 0, to = 0;
		bool ok = rules_range(FIELDS("Range", cases[i].range), STR("\"a\""), 10, &from, &to);
		if (ok != (cases[i].from >= 0) || (ok && (from != (size_t)cases[i].from || to != (size_t)cases[i].to)))
			fail_msg("%s: %d %zu-%zu", cases[i].range, ok, from, to);
	}
	size_t from, to;
	assert_true(rules_range(FIELDS("Range", "bytes=1-2", "If-Range", "\"a\""), STR("\"a\""), 10, &from, &to));
	assert_false(rules_range(FIELDS("Range", "bytes=1-2", "If-Range", "\"b\""), STR("\"a\""), 10, &from, &to));
	assert_false(rules_range(FIELDS("Range", "bytes=1-2", "If-Range", "W/\"a\""), STR("W/\"a\""), 10, &from, &to));
	assert_false(rules_range(FIELDS("Range", "bytes=0-1"), STR_NONE, 0, &from, &to));
}

static void renews_all_but_the_length(void **unused)
{
	(void)unused;
	struct http_fields stored = FIELDS("A", "1", "Content-Length", "9", "Age", "3", "Etag", "\"x\"", "a", "2");
	struct http_fields f = rules_renew(&arena, stored, FIELDS("a", "3", "Content-Length", "0", "B", "4"));
	assert_int_equal(f.count, 4);
	assert_true(str_eq(http_get(f, STR("content-length")), STR("9")));
	assert_true(str_eq(http_get(f, STR("A")), STR("3")));
	assert_true(str_eq(http_get(f, STR("etag")), STR("\"x\"")));
	assert_true(str_eq(http_get(f, STR("b")), STR("4")));
	assert_null(http_get(f, STR("age")).p);
}

static void drops_hop_by_hop_fields(void **unused)
{
	(void)unused;
	assert_false(rules_is_end_to_end(STR("Keep-Alive"), STR_NONE));
	assert_false(rules_is_end_to_end(STR("X-A"), STR("close, x-a")));
	assert_true(rules_is_end_to_end(STR("Proxy-Status"), STR("close")));
	assert_true(rules_is_end_to_end(STR("X-A"), STR("close, x-ab")));
}

static int set_up(void **unused)
{
	(void)unused;
	arena_init(&arena, 4096, 1 << 20);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	arena_release(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_directives),
		cmocka_unit_test(finds_lifetimes),
		cmocka_unit_test(targeted_control_wins_or_counts_for_nothing),
		cmocka_unit_test(reads_ages),
		cmocka_unit_test(reads_dates),
		cmocka_unit_test(knows_what_may_be_kept),
		cmocka_unit_test(forbids_stale_answers),
		cmocka_unit_test(compares_selecting_fields),
		cmocka_unit_test(answers_conditions),
		cmocka_unit_test(cuts_ranges),
		cmocka_unit_test(renews_all_but_the_length),
		cmocka_unit_test(drops_hop_by_hop_fields),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
