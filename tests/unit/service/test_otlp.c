/* Traces for a collector: the text of an export, which traces are sampled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/core/arena.h"
#include "common/json/json.h"
#include "common/service/otlp.h"

#define TRACE_ID   "0af7651916cd43dd8448eb211c80319c"
#define SPAN_ID    "00f067aa0ba902b7"
#define PARENT_ID  "b7ad6b7169203331"
#define REQUEST_ID "0190f3c1-8a4e-7c3b-9d2e-5a6b7c8d9e0f"

static struct otlp_resource resource(void)
{
	struct otlp_resource r = { .service = STR("gateway"), .address = STR("api.redcross.example"), .port = 443 };
	memcpy(r.instance, REQUEST_ID, sizeof r.instance);
	return r;
}

static struct otlp_record record(int status, const char *method, const char *route)
{
	struct otlp_record r = { .start_ns = INT64_C(1764000000123456000),
		.end_ns = INT64_C(1764000000125456000),
		.status = status,
		.flags = 3,
		.continued = true,
		.secure = true,
		.method_bytes = (unsigned char)strlen(method),
		.route_bytes = (unsigned char)strlen(route),
		.operation_bytes = 8 };
	memcpy(r.trace_id, TRACE_ID, TRACE_ID_BYTES);
	memcpy(r.span_id, SPAN_ID, SPAN_ID_BYTES);
	memcpy(r.parent_id, PARENT_ID, SPAN_ID_BYTES);
	memcpy(r.request_id, REQUEST_ID, OTLP_UUID_BYTES);
	memcpy(r.method, method, r.method_bytes);
	memcpy(r.route, route, r.route_bytes);
	memcpy(r.operation, "gift_get", 8);
	return r;
}

static void assert_text(struct otlp_record *records, unsigned count, const char *spans)
{
	struct buf out, want;
	struct otlp_resource who = resource();
	buf_init(&out, 1 << 20);
	buf_init(&want, 1 << 20);
	otlp_write(&out, &who, records, count);
	buf_printf(&want,
	    "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
	    "{\"key\":\"service.namespace\",\"value\":{\"stringValue\":\"yangguang\"}},"
	    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"gateway\"}},"
	    "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"" REQUEST_ID "\"}}]},"
	    "\"scopeSpans\":[{\"scope\":{\"name\":\"yangguang\"},\"spans\":[%s]}]}]}",
	    spans);
	assert_true(buf_ok(&out) && buf_ok(&want));
	if (!str_eq(buf_view(&out), buf_view(&want)))
		fail_msg("got:\n%.*s\nwant:\n%.*s", STR_FMT(buf_view(&out)), STR_FMT(buf_view(&want)));
	buf_free(&out);
	buf_free(&want);
}

#define HEAD(flags)                                                                                                    \
	"{\"traceId\":\"" TRACE_ID "\",\"spanId\":\"" SPAN_ID "\",\"parentSpanId\":\"" PARENT_ID "\",\"flags\":" flags \
	","
#define TIMES "\"kind\":2,\"startTimeUnixNano\":\"1764000000123456000\",\"endTimeUnixNano\":\"1764000000125456000\","
#define TAIL                                                                                                           \
	"{\"key\":\"url.scheme\",\"value\":{\"stringValue\":\"https\"}},"                                              \
	"{\"key\":\"server.address\",\"value\":{\"stringValue\":\"api.redcross.example\"}},"                           \
	"{\"key\":\"server.port\",\"value\":{\"intValue\":\"443\"}},"                                                  \
	"{\"key\":\"yangguang.operation\",\"value\":{\"stringValue\":\"gift_get\"}},"                                  \
	"{\"key\":\"yangguang.request_id\",\"value\":{\"stringValue\":\"" REQUEST_ID "\"}}],"

static void writes_a_span(void **unused)
{
	(void)unused;
	struct otlp_record good = record(200, "GET", "/v1/gifts/{id}");
	assert_text(&good, 1,
	    HEAD("771") "\"name\":\"GET /v1/gifts/{id}\"," TIMES
			"\"attributes\":[{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"GET\"}},"
			"{\"key\":\"http.route\",\"value\":{\"stringValue\":\"/v1/gifts/{id}\"}},"
			"{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"200\"}}," TAIL
			"\"status\":{}}");
}

static void writes_failures_and_the_unknown(void **unused)
{
	(void)unused;
	struct otlp_record records[] = { record(503, "", ""), record(0, "GET", "") };
	records[1].continued = false;
	assert_text(records, 2,
	    HEAD("771") "\"name\":\"HTTP\"," TIMES
			"\"attributes\":[{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"_OTHER\"}},"
			"{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"503\"}},"
			"{\"key\":\"error.type\",\"value\":{\"stringValue\":\"503\"}}," TAIL "\"status\":{\"code\":2}},"
			"{\"traceId\":\"" TRACE_ID "\",\"spanId\":\"" SPAN_ID "\",\"flags\":259,"
			"\"name\":\"GET\"," TIMES
			"\"attributes\":[{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"GET\"}},"
			"{\"key\":\"error.type\",\"value\":{\"stringValue\":\"client_gone\"}}," TAIL "\"status\":{}}");
}

static void a_whole_batch_of_the_longest_fits(void **unused)
{
	(void)unused;
	enum { BODY_BYTES_MAX = 1024 * 1024 };
	static struct otlp_record records[OTLP_BATCH_MAX];
	char route[OTLP_ROUTE_BYTES_MAX + 1];
	struct otlp_resource who = resource();
	struct arena a;
	struct buf out;
	const struct json *tree;
	memset(route, 'r', OTLP_ROUTE_BYTES_MAX);
	route[OTLP_ROUTE_BYTES_MAX] = 0;
	for (unsigned i = 0; i < OTLP_BATCH_MAX; i++) {
		records[i] = record(599, "OPTIONS", route);
		memset(records[i].operation, 'o', records[i].operation_bytes = OTLP_OPERATION_BYTES_MAX);
	}
	buf_init(&out, BODY_BYTES_MAX);
	otlp_write(&out, &who, records, OTLP_BATCH_MAX);
	assert_true(buf_ok(&out));
	arena_init(&a, 1 << 20, 64 << 20);
	assert_int_equal(json_read(&a, buf_view(&out), JSON_DEPTH_MAX, &tree, NULL), ERR_NONE);
	arena_release(&a);
	buf_free(&out);
}

static void reads_shares(void **unused)
{
	(void)unused;
	const uint64_t end = UINT64_C(1) << 56;
	uint64_t t;
	static const struct {
		const char *text;
		uint64_t sampled; /* of 2^56 */
	} good[] = { { "0", 0 }, { "0.0", 0 }, { "1", UINT64_C(1) << 56 }, { "1.000", UINT64_C(1) << 56 },
		{ "0.5", UINT64_C(1) << 55 }, { "0.25", UINT64_C(1) << 54 } };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(otlp_read_share(str_of(good[i].text), &t));
		assert_int_equal(end - t, good[i].sampled);
	}
	static const char *const bad[] = { "", ".", "1.1", "2", "-0.5", "0,5", "0.5x", "0.0000000001", "1e-3", " 1" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (otlp_read_share(str_of(bad[i]), &t)) fail_msg("taken: \"%s\"", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_a_span),
		cmocka_unit_test(writes_failures_and_the_unknown),
		cmocka_unit_test(a_whole_batch_of_the_longest_fits),
		cmocka_unit_test(reads_shares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
