/* Which fields cross the gateway, in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/fields.h"

static void passes_what_a_service_needs(void **unused)
{
	(void)unused;
	static const char *const names[] = { "Accept", "accept-language", "Content-Type", "Idempotency-Key", "If-Match",
		"If-None-Match", "User-Agent", "Wechatpay-Signature", "X-Custom", "Range", "Origin", "Prefer",
		"X-Client-Version", "Cookie", "Content-Digest", "X_Custom", "_", "1", "X" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!fields_pass_request(str_of(names[i]), STR_NONE)) fail_msg("%s was dropped", names[i]);
}

static void stops_what_a_client_may_not_say(void **unused)
{
	(void)unused;
	static const char *const names[] = { "X-Yangguang-Identity", "x-yangguang-identity", "X-YANGGUANG-DEADLINE-MS",
		"X-Request-Id", "Request-Id", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Anything",
		"Forwarded", "Authorization", "X-API-Key", "Host", "Content-Length", "Transfer-Encoding", "Connection",
		"Keep-Alive", "Proxy-Authorization", "TE", "Trailer", "Upgrade", "Expect", "traceparent", "tracestate",
		"X-HTTP-Method-Override", "X-Real-IP", "Access-Control-Request-Method", "X_Yangguang_Identity",
		"x-forwarded_for", "Transfer_Encoding", "Content_Length", "Client-Cert", "Client-Cert-Chain",
		"X-SSL-Client-Verify", "X-Original-URL", "X-Rewrite-URL", "Proxy", "Proxy_Authorization", "Keep_Alive",
		"Signature", "signature-input" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (fields_pass_request(str_of(names[i]), STR_NONE)) fail_msg("%s went through", names[i]);
}

static void drops_what_connection_names(void **unused)
{
	(void)unused;
	struct arena a;
	struct http_field f[] = { { STR("Connection"), STR("close") }, { STR("connection"), STR("X-Hop, x-other") },
		{ STR("CONNECTION"), STR("Foo") } };
	arena_init(&a, 1024, 1 << 16);
	assert_null(fields_connection(&a, (struct http_fields){ f, 1 }).p);
	struct str named = fields_connection(&a, (struct http_fields){ f, 3 });
	assert_false(fields_pass_request(STR("x-hop"), named));
	assert_false(fields_pass_request(STR("X-Other"), named));
	assert_false(fields_pass_request(STR("foo"), named));
	assert_true(fields_pass_request(STR("x-hop-not"), named));
	assert_false(fields_pass_reply(STR("foo"), named));
	arena_release(&a);
}

static void named_fields_are_unseen(void **unused)
{
	(void)unused;
	struct arena a;
	struct http_field f[] = { { STR("Connection"), STR("X-Hop , close") }, { STR("x-hop"), STR("1") },
		{ STR("X-Kept"), STR("2") }, { STR("connection"), STR("content-length") },
		{ STR("Content-Length"), STR("3") } };
	arena_init(&a, 1024, 1 << 16);
	struct http_fields fields = { f, 5 };
	assert_int_equal(fields_drop_named(&a, &fields), ERR_NONE);
	assert_int_equal(fields.count, 1);
	assert_true(str_eq(fields.items[0].name, STR("X-Kept")));
	f[0].value = STR("close");
	fields = (struct http_fields){ f, 3 };
	assert_int_equal(fields_drop_named(&a, &fields), ERR_NONE);
	assert_ptr_equal(fields.items, f);
	char many[1024];
	memset(many, ',', sizeof many);
	f[0].value = str_span(many, sizeof many);
	assert_int_equal(fields_drop_named(&a, &fields), ERR_HEADERS_TOO_LARGE);
	arena_release(&a);
}

static void passes_replies_but_not_internals(void **unused)
{
	(void)unused;
	static const char *const pass[] = { "ETag", "Location", "Link", "Cache-Control", "Vary", "Retry-After",
		"Idempotency-Replayed", "Content-Language", "WWW-Authenticate", "Content-Disposition" };
	static const char *const stop[] = { "X-Yangguang-Tags", "Content-Length", "Content-Type", "Date", "Server",
		"Request-Id", "Transfer-Encoding", "Connection", "Access-Control-Allow-Origin",
		"access-control-expose-headers" };
	for (size_t i = 0; i < ARRAY_LEN(pass); i++)
		if (!fields_pass_reply(str_of(pass[i]), STR_NONE)) fail_msg("%s was dropped", pass[i]);
	for (size_t i = 0; i < ARRAY_LEN(stop); i++)
		if (fields_pass_reply(str_of(stop[i]), STR_NONE)) fail_msg("%s went through", stop[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_what_a_service_needs),
		cmocka_unit_test(stops_what_a_client_may_not_say),
		cmocka_unit_test(drops_what_connection_names),
		cmocka_unit_test(named_fields_are_unseen),
		cmocka_unit_test(passes_replies_but_not_internals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
