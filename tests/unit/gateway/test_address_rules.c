/* Who is served, and what only some are: sets of networks, and the file that names them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "gateway/limit/address_rules.h"

static bool is_name(void *arg, struct str name)
{
	(void)arg;
	return str_eq(name, STR("cache_purge")) || str_eq(name, STR("news"));
}

struct fixture {
	struct arena arena;
	struct buf report;
	struct address_rules rules;
};

static enum err read_rules(struct fixture *f, const char *text)
{
	f->rules = (struct address_rules){ 0 };
	arena_init(&f->arena, 4096, 1 << 22);
	buf_init(&f->report, 1 << 16);
	return address_rules_read(
	    &f->arena, str_of(text), "a.yaml", (struct address_names){ is_name, NULL }, &f->rules, &f->report);
}

static void done(struct fixture *f)
{
	arena_release(&f->arena);
	buf_free(&f->report);
}

static void finds_addresses(void **unused)
{
	struct fixture f;
	(void)unused;
	assert_int_equal(read_rules(&f, "deny: [10.2.0.0/16, '2001:db8:1::/48', 10.0.0.0/8, 192.0.2.7, 10.255.0.0/16, "
					"192.0.2.8/31, '::1']\n"),
	    ERR_NONE);
	assert_int_equal(f.rules.deny.count, 5); /* two stand within 10.0.0.0/8 */
	static const char *const in[] = { "10.0.0.0", "10.255.255.255", "10.2.3.4", "192.0.2.7", "192.0.2.8",
		"192.0.2.9", "2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff", "::ffff:10.1.1.1", "::1" };
	static const char *const out[] = { "9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.10",
		"2001:db8:2::", "2001:db8:0:ffff::", "::", "::2", "unix", "unknown", "", "10.0.0", "255.255.255.255" };
	for (size_t i = 0; i < ARRAY_LEN(in); i++) assert_true(networks_have(&f.rules.deny, str_of(in[i])));
	for (size_t i = 0; i < ARRAY_LEN(out); i++) assert_false(networks_have(&f.rules.deny, str_of(out[i])));
	done(&f);
}

static void serves_some_alone(void **unused)
{
	struct fixture f;
	(void)unused;
	assert_int_equal(
	    read_rules(&f, "deny: [unknown, 10.9.0.0/16]\nonly:\n  cache_purge: [10.0.0.0/8, unix]\n  news: []\n"),
	    ERR_NONE);
	assert_true(address_rules_allow(&f.rules, STR("cache_purge"), STR("10.1.1.1")));
	assert_true(address_rules_allow(&f.rules, STR("cache_purge"), STR("unix")));
	assert_false(address_rules_allow(&f.rules, STR("cache_purge"), STR("11.1.1.1")));
	assert_false(address_rules_allow(&f.rules, STR("cache_purge"), STR("10.9.1.1"))); /* denied goes first */
	assert_false(address_rules_allow(&f.rules, STR("news"), STR("10.1.1.1"))); /* to nobody */
	assert_true(address_rules_allow(&f.rules, STR("gift_create"), STR("11.1.1.1")));
	assert_false(address_rules_allow(&f.rules, STR("gift_create"), STR("unknown")));
	assert_true(address_rules_allow(&f.rules, STR_NONE, STR("11.1.1.1")));
	assert_false(address_rules_allow(&f.rules, STR_NONE, STR("10.9.0.0")));
	done(&f);
}

static void tells_every_fault(void **unused)
{
	static const struct {
		const char *text, *fault;
	} rows[] = { { "deny: [10.1.2.3/8]\n", "a.yaml:1: a network is" }, { "deny: [10.0.0.0/33]\n", "a network is" },
		{ "deny: [ten]\n", "a network is" }, { "deny: [10]\n", "a network is" },
		{ "deny: 10.0.0.0/8\n", "give a list" }, { "only: [a]\n", "only is name" },
		{ "only: {}\n", "only is name" }, { "only: {nothing: [unix]}\n", "nothing is no operation" },
		{ "allow: []\n", "key allow is not known" }, { "[]\n", "give deny, only, or both" },
		{ "deny: [unix\n", "a.yaml:" } };
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fixture f;
		assert_int_equal(read_rules(&f, rows[i].text), ERR_CONFIG);
		buf_char(&f.report, 0);
		if (!strstr(f.report.p, rows[i].fault)) fail_msg("%s: %s", rows[i].text, f.report.p);
		done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_addresses), cmocka_unit_test(serves_some_alone),
		cmocka_unit_test(tells_every_fault) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
