/* The pure rules of the identity service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/identity/rules.h"

static struct arena a;

static int setup(void **state)
{
	(void)state;
	arena_init(&a, 1024, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&a);
	return 0;
}

static void assert_str(struct str got, const char *want)
{
	assert_non_null(got.p);
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.p, want, got.n);
}

static void pair_delays_double_up_to_a_minute(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= 4; i++) assert_int_equal(throttle_delay_s(THROTTLE_PAIR, i), 0);
	assert_int_equal(throttle_delay_s(THROTTLE_PAIR, 5), 2);
	assert_int_equal(throttle_delay_s(THROTTLE_PAIR, 6), 4);
	assert_int_equal(throttle_delay_s(THROTTLE_PAIR, 9), 32);
	assert_int_equal(throttle_delay_s(THROTTLE_PAIR, 10), 60);
	assert_int_equal(throttle_delay_s(THROTTLE_PAIR, UINT32_MAX), 60);
}

static void strangers_cause_short_delays_only(void **state)
{
	(void)state;
	assert_int_equal(throttle_delay_s(THROTTLE_USER, 20), 0);
	assert_int_equal(throttle_delay_s(THROTTLE_USER, 21), 1);
	assert_int_equal(throttle_delay_s(THROTTLE_USER, 1000000), 60);
	assert_int_equal(throttle_delay_s(THROTTLE_NETWORK, 50), 0);
	assert_int_equal(throttle_delay_s(THROTTLE_NETWORK, 51), 1);
	assert_int_equal(throttle_delay_s(THROTTLE_NETWORK, 1000000), 5);
}

static void contacts_show_one_character(void **state)
{
	(void)state;
	assert_str(mask_contact(&a, STR("王工 0758-0000000")), "王***");
	assert_str(mask_contact(&a, STR("a@b.cn")), "a***");
	assert_str(mask_contact(&a, STR("1")), "1***");
	assert_null(mask_contact(&a, STR_NONE).p);
}

static void delays_never_fall(void **state)
{
	(void)state;
	for (int c = 0; c < THROTTLE_CLASS_COUNT; c++)
		for (unsigned i = 0; i < 200; i++)
			assert_true(throttle_delay_s((enum throttle_class)c, i) <=
				    throttle_delay_s((enum throttle_class)c, i + 1));
}

static void schedules_end_at_the_longest_delay(void **state)
{
	(void)state;
	static const char *const ends[] = { ",60}", ",60}", ",5}" };
	for (int c = 0; c < THROTTLE_CLASS_COUNT; c++) {
		struct str s = throttle_schedule(&a, (enum throttle_class)c);
		assert_true(str_starts(s, STR("{0,0,")));
		assert_true(str_ends(s, str_of(ends[c])));
	}
	assert_true(str_starts(throttle_schedule(&a, THROTTLE_PAIR), STR("{0,0,0,0,0,2,4,8,")));
}

static void networks(void **state)
{
	(void)state;
	static const struct {
		const char *from, *exact, *shown;
	} rows[] = {
		{ "203.0.113.7", "203.0.113.7", "203.0.113.0/24" },
		{ " 203.0.113.7:443 ", "203.0.113.7", "203.0.113.0/24" },
		{ "10.0.0.1, 198.51.100.9", "198.51.100.9", "198.51.100.0/24" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48" },
		{ "[2001:db8:1:2:3:4:5:6]:8443", "2001:db8:1:2::/64", "2001:db8:1::/48" },
		{ "::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24" },
		{ "::1", "::/64", "::/48" },
		{ "", "unknown", "" },
		{ "[", "unknown", "" },
		{ "nonsense", "unknown", "" },
		{ "1.2.3", "unknown", "" },
		{ "203.0.113.7,", "unknown", "" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd", "unknown", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct network n;
		network_of(str_of(rows[i].from), &n);
		assert_string_equal(n.exact, rows[i].exact);
		assert_string_equal(n.shown, rows[i].shown);
	}
	struct network n;
	network_of(STR_NONE, &n);
	assert_string_equal(n.exact, "unknown");
}

static const struct grant grants[] = {
	{ STR("4412/441223"), STR("campaign:manage gift:read") },
	{ STR("4412/441202"), STR("staff:manage staff:read") },
	{ STR("4412"), STR("gift:read gift:refund") },
};

static void topmost_grant_is_chosen_with_its_scopes_only(void **state)
{
	(void)state;
	struct str organization, scopes;
	assert_int_equal(grants_choose(&a, grants, 3, STR_NONE, &organization, &scopes), ERR_NONE);
	assert_str(organization, "4412");
	assert_str(scopes, "gift:read gift:refund");
	assert_int_equal(grants_choose(&a, grants, 2, STR_NONE, &organization, &scopes), ERR_NONE);
	assert_str(organization, "4412/441202"); /* same height: path order */
	assert_str(scopes, "staff:manage staff:read");
}

static void wanted_unit_gets_what_holds_there(void **state)
{
	(void)state;
	struct str organization, scopes;
	assert_int_equal(grants_choose(&a, grants, 3, STR("4412/441223"), &organization, &scopes), ERR_NONE);
	assert_str(organization, "4412/441223");
	assert_str(scopes, "campaign:manage gift:read gift:refund");
	/* a unit below a grant, without one of its own */
	assert_int_equal(grants_choose(&a, grants, 2, STR("4412/441202/441202001"), &organization, &scopes), ERR_NONE);
	assert_str(scopes, "staff:manage staff:read");
}

static void units_without_a_grant_are_refused(void **state)
{
	(void)state;
	struct str organization, scopes;
	assert_int_equal(grants_choose(&a, grants, 2, STR("4412"), &organization, &scopes), ERR_INSUFFICIENT_SCOPE);
	assert_int_equal(grants_choose(&a, grants, 2, STR("4412/4412021"), &organization, &scopes),
	    ERR_INSUFFICIENT_SCOPE); /* no prefix of a code */
	assert_int_equal(grants_choose(&a, grants, 0, STR_NONE, &organization, &scopes), ERR_INSUFFICIENT_SCOPE);
	assert_int_equal(grants_choose(&a, grants, 3, STR("4413"), &organization, &scopes), ERR_INSUFFICIENT_SCOPE);
}

static void role_without_scopes_still_signs_in(void **state)
{
	(void)state;
	static const struct grant one[] = { { STR("4412"), STR("") } };
	struct str organization, scopes;
	assert_int_equal(grants_choose(&a, one, 1, STR_NONE, &organization, &scopes), ERR_NONE);
	assert_str(scopes, "");
}

static void scopes_are_narrowed_never_widened(void **state)
{
	(void)state;
	struct str out;
	assert_int_equal(scopes_narrow(&a, STR("b:x a:x c:x"), STR_NONE, &out), ERR_NONE);
	assert_str(out, "a:x b:x c:x");
	assert_int_equal(scopes_narrow(&a, STR("b:x a:x c:x"), STR("c:x c:x a:x"), &out), ERR_NONE);
	assert_str(out, "a:x c:x");
	assert_int_equal(scopes_narrow(&a, STR("a:x"), STR("a:x d:x"), &out), ERR_INSUFFICIENT_SCOPE);
	assert_int_equal(scopes_narrow(&a, STR(""), STR("a:x"), &out), ERR_INSUFFICIENT_SCOPE);
	assert_int_equal(scopes_narrow(&a, STR("a:x"), STR(""), &out), ERR_SYNTAX);
	assert_int_equal(scopes_narrow(&a, STR("a:x"), STR("a:x\n"), &out), ERR_SYNTAX);
	assert_int_equal(scopes_narrow(&a, STR("a:x"), STR("\"a:x\""), &out), ERR_SYNTAX);
}

static void basic_credentials_are_read(void **state)
{
	(void)state;
	struct client_credentials c;
	assert_int_equal(basic_auth_read(&a, STR("Basic aWQ6c2VjcmV0"), &c), ERR_NONE);
	assert_str(c.id, "id");
	assert_str(c.secret, "secret");
	assert_int_equal(basic_auth_read(&a, STR("bAsIc aWQ6YTpi"), &c), ERR_NONE); /* a colon in the secret */
	assert_str(c.secret, "a:b");
	assert_int_equal(basic_auth_read(&a, STR("Basic aSUzQWQ6cytzJTI1"), &c), ERR_NONE); /* i%3Ad:s+s%25 */
	assert_str(c.id, "i:d");
	assert_str(c.secret, "s s%");
}

static void bad_basic_credentials_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "Basic", "Basic ", "Bearer aWQ6c2VjcmV0", "Basic !!", "Basic aWQ",
		"Basic aWQ=", "Basic OnM=" /* :s */, "Basic aSU6cw==" /* i%:s */, "Basic aSVnZzpz" /* i%gg:s */,
		"Basic aSUwMDpz" /* i%00:s */, "Basic aSVmZjpz" /* i%ff:s, not UTF-8 */ };
	struct client_credentials c;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_not_equal(basic_auth_read(&a, str_of(bad[i]), &c), ERR_NONE);
	assert_int_not_equal(basic_auth_read(&a, STR_NONE, &c), ERR_NONE);
}

static void percent_encoding(void **state)
{
	(void)state;
	assert_str(percent_encode(&a, STR("aZ09-._~")), "aZ09-._~");
	assert_str(percent_encode(&a, STR("a b&c=/?#%+")), "a%20b%26c%3D%2F%3F%23%25%2B");
	assert_str(percent_encode(&a, STR("阳")), "%E9%98%B3");
	assert_str(percent_encode(&a, str_span("\0", 1)), "%00");
	assert_str(percent_encode(&a, STR("")), "");
}

static void wechat_codes(void **state)
{
	(void)state;
	assert_int_equal(wechat_login_error(0), ERR_NONE);
	assert_int_equal(wechat_login_error(40029), ERR_LOGIN_CODE);
	assert_int_equal(wechat_login_error(40163), ERR_LOGIN_CODE);
	assert_int_equal(wechat_login_error(40226), ERR_USER_BLOCKED);
	assert_int_equal(wechat_login_error(45011), ERR_TOO_MANY_REQUESTS);
	assert_int_equal(wechat_login_error(-1), ERR_UNAVAILABLE);
	assert_int_equal(wechat_login_error(40125), ERR_LOGIN_PROVIDER);
	assert_true(wechat_token_is_stale(40001) && wechat_token_is_stale(42001) && !wechat_token_is_stale(40029));
}

static void lower_case_is_ascii_only(void **state)
{
	(void)state;
	assert_str(lower_case(&a, STR("Admin.X-9")), "admin.x-9");
	assert_str(lower_case(&a, STR("ÀB")), "Àb");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(pair_delays_double_up_to_a_minute),
		TEST(strangers_cause_short_delays_only),
		TEST(delays_never_fall),
		TEST(contacts_show_one_character),
		TEST(schedules_end_at_the_longest_delay),
		TEST(networks),
		TEST(topmost_grant_is_chosen_with_its_scopes_only),
		TEST(wanted_unit_gets_what_holds_there),
		TEST(units_without_a_grant_are_refused),
		TEST(role_without_scopes_still_signs_in),
		TEST(scopes_are_narrowed_never_widened),
		TEST(basic_credentials_are_read),
		TEST(bad_basic_credentials_are_refused),
		TEST(percent_encoding),
		TEST(wechat_codes),
		TEST(lower_case_is_ascii_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
