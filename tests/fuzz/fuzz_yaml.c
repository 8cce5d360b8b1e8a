/* Any bytes as a contract beside a small common.yaml: loading ends in a contract or in a report, never in both. */
/* links: contract */
#include "common/contract/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char common[] = "openapi: 3.1.0\n"
			     "info: {}\n"
			     "components:\n"
			     "  schemas: { Uuid: { type: string, format: uuid } }\n"
			     "  parameters: { Limit: { name: limit, in: query, schema: { type: integer, minimum: 1, "
			     "maximum: 9, default: 2 } } }\n"
			     "  responses: { Bad: { description: bad } }\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct buf report;
	const struct contract *c;
	if (size > 16384) return 0;
	arena_init(&a, 1 << 16, 64 << 20);
	buf_init(&report, 4 << 20);
	const struct load_source sources[] = { { STR("common.yaml"), str_of(common) },
		{ STR("x.yaml"), str_span((const char *)data, size) } };
	enum err e = contract_load_sources(&a, sources, 2, &c, &report);
	CHECK((e == ERR_NONE) == (c != NULL) && (e != ERR_CONFIG || report.n > 0));
	for (unsigned i = 0; c && i < c->operation_count; i++) {
		const struct operation *op = &c->operations[i];
		CHECK(map_get(&c->operations_by_id, op->id) == op && op->success_status);
		for (unsigned k = 0; k < op->parameter_count; k++)
			CHECK(
			    op->parameters[k].schema && contract_parameter_index(op, op->parameters[k].bind) == (int)k);
	}
	buf_free(&report);
	arena_release(&a);
	return 0;
}
