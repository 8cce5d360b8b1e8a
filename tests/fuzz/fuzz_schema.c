/* A schema and a value, as JSON in one text each, divided by a newline: compiling and validating must end, verdict and violations agree. */
/* links: contract */
#include "common/contract/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json *itself(void *arg, struct str document)
{
	return str_eq(document, STR("x.yaml")) ? arg : NULL;
}

static void validate(struct arena *a, const struct schema *s, struct str text)
{
	const struct json *value;
	struct violations v;
	violations_init(&v, a);
	if (json_read(a, text, JSON_DEPTH_MAX, &value, NULL) == ERR_NONE)
		CHECK(schema_validate(s, value, STR("/at"), &v) == (v.count == 0));
	for (const struct violation *x = v.first; x; x = x->next)
		CHECK(str_starts(x->pointer, STR("/at")) && x->code.n && x->detail[0].p && x->detail[1].p);
	violations_init(&v, a);
	CHECK(schema_validate_text(s, text, STR("query.x"), &v) == (v.count == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct buf report;
	const struct json *root;
	const struct schema *s;
	struct str rest = str_span((const char *)data, size), text;
	if (size == 0 || size > 4096) return 0;
	arena_init(&a, 4096, 64 << 20);
	buf_init(&report, 1 << 20);
	if (str_cut(&rest, '\n', &text) && json_read(&a, text, JSON_DEPTH_MAX, &root, NULL) == ERR_NONE) {
		enum err e = schema_compile(&a, root, root, itself, (void *)(uintptr_t)root, &s, &report);
		CHECK((e == ERR_NONE) == (s != NULL) && (e == ERR_NONE || report.n > 0));
		if (s && rest.p) validate(&a, s, rest);
	}
	buf_free(&report);
	arena_release(&a);
	return 0;
}
