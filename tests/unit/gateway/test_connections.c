/* Connections by address: each its share, proxies of ours none, nothing left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/limit/connections.h"

static void each_address_has_its_share(void **unused)
{
	(void)unused;
	struct trusted_proxies proxies;
	assert_int_equal(trusted_proxies_read(&proxies, STR("10.0.0.0/8"), STR("Forwarded")), ERR_NONE);
	struct connections *c = connections_new(2, &proxies);
	assert_true(connections_come(c, STR("192.0.2.1")));
	assert_true(connections_come(c, STR("192.0.2.1")));
	assert_false(connections_come(c, STR("192.0.2.1")));
	assert_true(connections_come(c, STR("192.0.2.2")));
	connections_gone(c, STR("192.0.2.1"));
	assert_true(connections_come(c, STR("192.0.2.1")));
	assert_false(connections_come(c, STR("192.0.2.1")));
	assert_true(connections_come(c, STR("2001:db8::1")));
	assert_true(connections_come(c, STR("2001:db8::2")));
	assert_false(connections_come(c, STR("2001:db8::3")));
	for (unsigned i = 0; i < 10; i++) assert_true(connections_come(c, STR("10.1.1.1")));
	for (unsigned i = 0; i < 10; i++) assert_true(connections_come(c, STR("unix")));
	assert_int_equal(connections_refused(c), 3);
	connections_gone(c, STR("192.0.2.9"));
	connections_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_address_has_its_share) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
