/* A request target: normal form is stable, routing and binding end, every bound value kept its schema. Also read as a form. */
/* links: contract */
#include "common/contract/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct contract *load(void)
{
	static struct arena boot;
	static const struct contract *c;
	struct buf report;
	if (c) return c;
	arena_init(&boot, 1 << 16, 16 << 20);
	buf_init(&report, 1 << 16);
	struct str text = STR(
	    "openapi: 3.1.0\ninfo: {}\npaths:\n"
	    "  /v1/a/{id}:\n    parameters: [{ name: id, in: path, required: true, schema: { type: string, maxLength: "
	    "9 } }]\n"
	    "    get:\n      operationId: a\n      summary: s\n      security: []\n      responses: { 200: { "
	    "description: d }, 404: { description: d } }\n"
	    "      parameters:\n"
	    "        - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100, default: 20 } }\n"
	    "        - { name: q, in: query, schema: { type: string, maxLength: 20 } }\n"
	    "        - { name: l, in: query, explode: false, schema: { type: array, maxItems: 3, items: { type: "
	    "string, format: date } } }\n"
	    "  /v1/a/b/{x}/{y}:\n    post:\n      operationId: b\n      summary: s\n      security: []\n"
	    "      responses: { 200: { description: d }, 404: { description: d } }\n"
	    "      parameters: [{ name: x, in: path, required: true, schema: { type: string, format: uuid } }, { name: "
	    "y, in: path, required: true, schema: { enum: [p, q] } }]\n");
	const struct load_source source = { STR("x.yaml"), text };
	CHECK(contract_load_sources(&boot, &source, 1, &c, &report) == ERR_NONE);
	buf_free(&report);
	return c;
}

static void bind(struct arena *a, const struct route *r, struct str query)
{
	struct bound_parameters bound;
	struct violations v, again;
	violations_init(&v, a);
	CHECK(contract_bind_parameters(r->operation, a, r, query, NULL, NULL, &bound, &v) == ERR_NONE);
	for (unsigned i = 0; v.count == 0 && i < r->operation->parameter_count; i++) {
		violations_init(&again, a);
		if (bound.values[i].p)
			CHECK(schema_validate_text(
			    r->operation->parameters[i].schema, bound.values[i], STR("x"), &again));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct route r;
	struct str target = str_span((const char *)data, size), path, normal, again;
	const struct json *form;
	if (size == 0 || size > 8192) return 0;
	arena_init(&a, 4096, 16 << 20);
	(void)!str_cut(&target, '?', &path);
	if (contract_normalize_path(&a, path, &normal) == ERR_NONE) {
		CHECK(normal.n > 0 && normal.p[0] == '/' && contract_normalize_path(&a, normal, &again) == ERR_NONE &&
		      str_eq(normal, again));
		static const char *const methods[] = { "GET", "POST", "X" };
		for (size_t i = 0; i < ARRAY_LEN(methods); i++)
			if (contract_route(load(), &a, str_of(methods[i]), normal, &r) == ERR_NONE)
				bind(&a, &r, target);
	}
	(void)!contract_read_form(&a, str_span((const char *)data, size), &form);
	arena_release(&a);
	return 0;
}
