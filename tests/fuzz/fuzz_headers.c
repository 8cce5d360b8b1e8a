/* Header values that are parsed beyond their bytes: traceparent and tracestate, Accept-Language, list fields. One value per line.
 * What comes out must be well-formed whatever goes in. */
#include <stdint.h>

#include "common/core/check.h"
#include "common/service/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_hex(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f'))) return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_span((const char *)data, size), value;
	struct http_field items[3] = { { STR("traceparent"), STR("") }, { STR("tracestate"), STR("") },
		{ STR("accept-language"), STR("") } };
	for (unsigned i = 0; i < 3 && str_cut(&rest, '\n', &value); i++) items[i].value = value;
	struct http_fields fields = { items, 3 };
	struct arena a;
	arena_init(&a, 1024, 64 * 1024);
	struct trace t;
	trace_begin(&t, &a, fields);
	char out[TRACEPARENT_BYTES];
	trace_format(&t, out);
	CHECK(is_hex(t.trace_id, TRACE_ID_BYTES) && is_hex(t.span_id, SPAN_ID_BYTES));
	CHECK(out[2] == '-' && is_hex(out + 3, TRACE_ID_BYTES) && is_hex(out + 36, SPAN_ID_BYTES));
	CHECK(t.state.n <= TRACESTATE_BYTES_MAX);
	enum language language = http_language(fields);
	CHECK(language == LANGUAGE_ZH || language == LANGUAGE_EN);
	(void)http_list_has(fields, STR("accept-language"), STR("en"));
	(void)http_is_hop_by_hop(items[0].value, items[1].value);
	arena_release(&a);
	return 0;
}
