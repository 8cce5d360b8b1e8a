/* Whose request it is when proxies stand in front, and that nobody can say it for himself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/http/client_address.h"

static struct arena arena;

static struct str client(const char *proxies, const char *field, const char *name, const char *value, const char *peer)
{
	struct trusted_proxies p;
	struct http_field f[2] = { { STR("X-Other"), STR("9.9.9.9") }, { str_of(name), str_of(value) } };
	struct http_fields fields = { f, 2 };
	assert_int_equal(trusted_proxies_read(&p, str_of(proxies), str_of(field)), ERR_NONE);
	return client_address(&p, &arena, fields, str_of(peer));
}

#define IS(expected, ...) assert_true(str_eq(client(__VA_ARGS__), STR(expected)))

static void only_trusted_hops_are_believed(void **unused)
{
	(void)unused;
	const char *const x = "X-Forwarded-For";
	IS("10.0.0.1", "", x, x, "6.6.6.6", "10.0.0.1");
	IS("10.0.0.1", "10.0.0.2", x, x, "6.6.6.6", "10.0.0.1");
	IS("6.6.6.6", "10.0.0.0/8", x, x, "6.6.6.6", "10.0.0.1");
	IS("6.6.6.6", "10.0.0.0/8", x, "x-forwarded-for", "1.1.1.1, 6.6.6.6 ,10.9.9.9", "10.0.0.1");
	IS("10.9.9.9", "10.0.0.0/8", x, x, "10.9.9.9", "10.0.0.1");
	IS("10.0.0.1", "10.0.0.0/8", x, x, "6.6.6.6, unknown", "10.0.0.1");
	IS("10.0.0.1", "10.0.0.0/8", x, x, "6.6.6.6,", "10.0.0.1");
	IS("10.0.0.1", "10.0.0.0/8", x, "Forwarded", "for=6.6.6.6", "10.0.0.1");
	IS("2001:db8::1", "fd00::/8", x, x, "[2001:DB8:0::1]:80", "fd00::5");
	IS("1.2.3.4", "unix", x, x, "1.2.3.4:5", "unix");
	IS("unix", "10.0.0.0/8", x, x, "1.2.3.4", "unix");
	IS("10.16.0.1", "10.0.0.0/12", x, x, "1.2.3.4", "10.16.0.1");
	IS("1.2.3.4", "10.0.0.0/12", x, x, "1.2.3.4", "10.15.0.1");
	IS("1.2.3.4", "10.0.0.0/8", x, x, "::ffff:1.2.3.4", "::ffff:10.0.0.1");
}

static void forwarded_is_read_with_its_quotes(void **unused)
{
	(void)unused;
	const char *const f = "Forwarded";
	IS("6.6.6.6", "10.0.0.0/8", f, f, "for=1.1.1.1, proto=https;For=6.6.6.6;by=x", "10.0.0.1");
	IS("2001:db8::1", "10.0.0.0/8", f, f, "for=\"[2001:db8::1]:47011\"", "10.0.0.1");
	IS("10.0.0.1", "10.0.0.0/8", f, f, "for=6.6.6.6, for=\"a,for=7.7.7.7\\\",\"", "10.0.0.1");
	IS("10.0.0.1", "10.0.0.0/8", f, f, "for=6.6.6.6, for=_hidden", "10.0.0.1");
	IS("10.0.0.1", "10.0.0.0/8", f, f, "for=6.6.6.6, proto=http", "10.0.0.1");
	IS("10.0.0.1", "10.0.0.0/8", f, "X-Forwarded-For", "6.6.6.6", "10.0.0.1");
	/* what a client left open must not swallow what our proxy says of it */
	IS("10.0.0.1", "10.0.0.0/8", f, f, "for=6.6.6.6;by=\", for=1.2.3.4", "10.0.0.1");
}

static void long_lists_are_read_from_their_end(void **unused)
{
	(void)unused;
	char value[2000];
	size_t n = 0;
	for (unsigned i = 0; i < 200; i++) n += (size_t)snprintf(value + n, sizeof value - n, "6.6.6.%u,", i);
	snprintf(value + n, sizeof value - n, "7.7.7.7");
	IS("7.7.7.7", "10.0.0.0/8", "X-Forwarded-For", "X-Forwarded-For", value, "10.0.0.1");
}

static void settings_are_checked(void **unused)
{
	(void)unused;
	struct trusted_proxies p;
	static const char *const bad[] = { "10.0.0.0/33", "10.0.0", "x", "::/129", "10.0.0.0/", "10.0.0.0/-1",
		"1.2.3.4/a" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (trusted_proxies_read(&p, str_of(bad[i]), STR("Forwarded")) != ERR_CONFIG)
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(trusted_proxies_read(&p, STR("unix"), STR("X-Real-IP")), ERR_CONFIG);
	assert_int_equal(trusted_proxies_read(&p, STR(" 10.0.0.0/8 , ::1,0.0.0.0/0"), STR("forwarded")), ERR_NONE);
	assert_int_equal(p.count, 3);
}

static void a_client_of_ipv6_is_its_64(void **unused)
{
	(void)unused;
	char out[ADDRESS_KEY_BYTES_MAX];
	assert_true(str_eq(address_key(STR("1.2.3.4"), out), STR("1.2.3.4")));
	assert_true(str_eq(address_key(STR("unix"), out), STR("unix")));
	assert_true(str_eq(address_key(STR("2001:db8:1:2:3:4:5:6"), out), STR("2001:db8:1:2::")));
	assert_true(str_eq(address_key(STR("2001:db8:1:2::"), out), STR("2001:db8:1:2::")));
	assert_true(str_eq(address_key(STR("::ffff:1.2.3.4"), out), STR("1.2.3.4")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_trusted_hops_are_believed),
		cmocka_unit_test(forwarded_is_read_with_its_quotes),
		cmocka_unit_test(long_lists_are_read_from_their_end),
		cmocka_unit_test(settings_are_checked),
		cmocka_unit_test(a_client_of_ipv6_is_its_64),
	};
	arena_init(&arena, 4096, 1024 * 1024);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&arena);
	return failed;
}
