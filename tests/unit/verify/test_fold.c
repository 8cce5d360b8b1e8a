/* Folding leaves: thousands of ids and accounts, and each rule that a leaf can break against those before it. */
#include "deploy/verify/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct arena arena;
static struct fold fold;
static struct verdict verdict;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 64 << 20);
	fold_init(&fold);
	verdict = (struct verdict){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fold_free(&fold);
	arena_release(&arena);
	return 0;
}

static struct leaf leaf_of(unsigned id, const char *parts)
{
	struct leaf l;
	const char *why;
	struct str text = arena_printf(&arena,
	    "{\"v\":1,\"type\":\"gift.received\",\"id\":\"01930000-0000-7000-8000-%012x\",\"at\":\"2026-11-26T08:30:00+"
	    "08:00\","
	    "\"recorded_at\":\"2026-11-26T08:30:00.123456+08:00\",\"subject\":\"G\"%s}",
	    id, parts);
	if (!leaf_read(&arena, text, &l, &why)) fail_msg("%s: %s", parts, why);
	return l;
}

static bool add(unsigned id, const char *parts)
{
	struct leaf l = leaf_of(id, parts);
	return fold_add(&fold, &l, &verdict);
}

static bool compare(const char *items)
{
	const struct json *list;
	assert_int_equal(json_read(&arena, str_of(items), 8, &list, NULL), ERR_NONE);
	return fold_compare(&fold, list, &verdict);
}

static void test_many(void **state)
{
	char parts[200], items[400];
	int64_t bank = 0;
	(void)state;
	for (unsigned i = 1; i <= 5000; i++) {
		snprintf(parts, sizeof parts,
		    ",\"postings\":[{\"account\":\"bank:1\",\"fen\":%u},{\"account\":\"fund:%u\",\"fen\":-%u}]", i, i,
		    i);
		assert_true(add(i, parts));
		bank += i;
	}
	assert_int_equal(fold.leaves, 5000);
	for (unsigned i = 1; i <= 5000; i += 777) {
		assert_false(add(i, ""));
		assert_string_equal(verdict.check, "leaf-id");
	}
	snprintf(parts, sizeof parts, ",\"links\":[\"01930000-0000-7000-8000-%012x\"]", 5000);
	assert_true(add(5001, parts));
	assert_false(add(5002, ",\"links\":[\"01930000-0000-7000-8000-00000000ffff\"]"));
	assert_string_equal(verdict.check, "leaf-link");
	assert_int_equal(fold.leaves, 5001);
	snprintf(items, sizeof items, "[{\"account\":\"bank:1\",\"fen\":%lld},{\"account\":\"fund:1\",\"fen\":-1}]",
	    (long long)bank);
	assert_false(compare(items)); /* the other funds are missing */
	assert_string_equal(verdict.check, "balance");
}

static void test_range(void **state)
{
	static const char most[] = ",\"postings\":[{\"account\":\"bank:1\",\"fen\":9007199254740991},"
				   "{\"account\":\"fund:1\",\"fen\":-9007199254740991}]";
	(void)state;
	assert_true(add(1, most));
	assert_false(add(2, most));
	assert_string_equal(verdict.check, "postings");
	assert_non_null(strstr(verdict.text, "out of range"));
}

static void test_sums(void **state)
{
	(void)state;
	assert_false(add(1, ",\"postings\":[{\"account\":\"bank:1\",\"fen\":5},{\"account\":\"fund:1\",\"fen\":-4}]"));
	assert_string_equal(verdict.check, "postings");
	assert_non_null(strstr(verdict.text, "sum to 1 fen"));
}

static void test_balances(void **state)
{
	static const char *const bad[] = { "[{}]", "[1]", "[{\"account\":1,\"fen\":5}]", "[{\"account\":\"bank:1\"}]",
		"[{\"account\":\"bank:1\",\"fen\":5.0}]", "[{\"account\":\"bank:1\",\"fen\":\"5\"}]" };
	(void)state;
	assert_true(compare("[]"));
	assert_true(add(1, ",\"postings\":[{\"account\":\"bank:1\",\"fen\":5},{\"account\":\"fund:1\",\"fen\":-5}]"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(compare(bad[i]));
		assert_string_equal(verdict.check, "balances-form");
	}
	assert_true(compare("[{\"account\":\"fund:1\",\"fen\":-5},{\"account\":\"bank:1\",\"fen\":5}]"));
}

static void test_text_is_plain(void **state)
{
	(void)state;
	assert_false(verdict_no(&verdict, "x", "%s", "a\x1b[2Jb\n"));
	assert_string_equal(verdict.text, "a?[2Jb?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sums, setup, teardown),
		cmocka_unit_test_setup_teardown(test_balances, setup, teardown),
		cmocka_unit_test(test_text_is_plain),
	};
	return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
