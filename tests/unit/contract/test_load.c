/* The loader: a good contract gives what it says; each rule of proto/README.md refuses its fault, with file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/contract/load.h"

static struct arena arena;
static struct buf report;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 16, 64 << 20);
	buf_init(&report, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_free(&report);
	arena_release(&arena);
	return 0;
}

static const char common[] =
    "openapi: 3.1.0\n"
    "info: { title: c, version: '1' }\n"
    "x-audiences: { 'gift:write': [citizen, staff], 'gift:admin': [partner] }\n"
    "components:\n"
    "  schemas:\n"
    "    Uuid: { type: string, format: uuid }\n"
    "    MoneyFen: { type: integer, format: int64, minimum: 0, maximum: 10000000000000 }\n"
    "    Problem: { type: object, properties: { title: { type: string } } }\n"
    "  parameters:\n"
    "    Limit: { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100, default: 20 } }\n"
    "    Cursor: { name: cursor, in: query, schema: { type: string, maxLength: 100 } }\n"
    "    Key: { name: Idempotency-Key, in: header, schema: { type: string, maxLength: 257 } }\n"
    "    IfMatch: { name: If-Match, in: header, schema: { type: string, maxLength: 99 } }\n"
    "  responses:\n"
    "    Bad: { description: bad, content: { application/problem+json: { schema: { $ref: "
    "'#/components/schemas/Problem' } } } }\n";

static enum err load_text(struct str text, const struct contract **out)
{
	const struct load_source sources[] = { { STR("common.yaml"), str_of(common) }, { STR("gifts.yaml"), text } };
	buf_reset(&report);
	return contract_load_sources(&arena, sources, 2, out, &report);
}

static const char gifts[] =
    "openapi: 3.1.0\n"
    "info: { title: g, version: '1' }\n"
    "paths:\n"
    "  /v1/gifts/{id}:\n"
    "    parameters:\n"
    "      - { name: id, in: path, required: true, schema: { $ref: 'common.yaml#/components/schemas/Uuid' } }\n"
    "    get:\n"
    "      operationId: gift_get\n"
    "      summary: One gift\n"
    "      security: []\n"
    "      x-cache: { control: 'public, max-age=5', ttl_s: 5, tags: ['gift:{id}', totals], collapse: platform }\n"
    "      x-lane: shared\n"
    "      responses:\n"
    "        '200': { description: ok, content: { application/json: { schema: { $ref: '#/components/schemas/Gift' } } "
    "} }\n"
    "        4XX: { $ref: 'common.yaml#/components/responses/Bad' }\n"
    "        '404': { description: none }\n"
    "    patch:\n"
    "      operationId: gift_update\n"
    "      summary: Change\n"
    "      security: [{ token: ['gift:write', 'gift:admin'] }, { signature: ['gift:write', 'gift:admin'] }]\n"
    "      x-rows: own\n"
    "      x-if-match: required\n"
    "      x-purges: [gifts]\n"
    "      x-event: gift.updated\n"
    "      x-log: correction\n"
    "      x-rate-policy: slow\n"
    "      x-body-bytes-max: 1000\n"
    "      parameters:\n"
    "        - $ref: 'common.yaml#/components/parameters/IfMatch'\n"
    "      requestBody: { required: true, content: { application/merge-patch+json: { schema: { $ref: "
    "'#/components/schemas/GiftPatch' } } } }\n"
    "      responses: { 200: { description: ok }, default: { $ref: 'common.yaml#/components/responses/Bad' }, '409': { "
    "description: no } }\n"
    "  /v1/gifts:\n"
    "    get:\n"
    "      operationId: gift_list\n"
    "      summary: Gifts\n"
    "      security: [{ token: [] }]\n"
    "      x-page: true\n"
    "      x-access: internal\n"
    "      parameters:\n"
    "        - $ref: 'common.yaml#/components/parameters/Limit'\n"
    "        - $ref: 'common.yaml#/components/parameters/Cursor'\n"
    "        - { name: states, in: query, explode: false, schema: { type: array, maxItems: 3, items: { enum: [A, B] } "
    "} }\n"
    "      responses:\n"
    "        '200': { description: ok, content: { application/json: { schema: { type: object, properties: { items: { "
    "type: array, items: { $ref: '#/components/schemas/Gift' } },\n"
    "          next_cursor: { type: string }, has_more: { type: boolean } } } } } }\n"
    "        '401': { description: no }\n"
    "    post:\n"
    "      operationId: gift_create\n"
    "      summary: Give\n"
    "      security: [{ token: [] }]\n"
    "      x-idempotency: required\n"
    "      x-lane: exclusive\n"
    "      parameters: [{ $ref: 'common.yaml#/components/parameters/Key' }]\n"
    "      requestBody: { content: { '*/*': { schema: { type: string, format: binary } } } }\n"
    "      responses:\n"
    "        '201': { description: made, headers: { Location: { schema: { type: string } } } }\n"
    "        '422': { description: no }\n"
    "components:\n"
    "  schemas:\n"
    "    Gift: { type: object, required: [id, amount_fen], properties: { id: { $ref: "
    "'common.yaml#/components/schemas/Uuid' }, amount_fen: { $ref: 'common.yaml#/components/schemas/MoneyFen' },\n"
    "      paid_at: { type: [string, 'null'], format: date-time }, donor: { type: string, x-pii: name } } }\n"
    "    GiftPatch: { type: object, additionalProperties: false, minProperties: 1, properties: { message: { type: "
    "[string, 'null'], maxLength: 100 } } }\n"
    "x-problems:\n"
    "  gift-closed: { status: 409, title: { zh: 已结束, en: It is closed } }\n";

static void check_tags(const struct operation *op)
{
	char out[CONTRACT_TAG_BYTES_MAX], long_value[CONTRACT_TAG_BYTES_MAX];
	struct str uuid = STR("0190A5B2-7C3D-7E4F-8A5B-0123456789AB"), code = STR("ABC"), bad = STR("a b");
	struct str tag = contract_tag(op, op->cache_tags[0], &uuid, 1, out);
	assert_true(str_eq(tag, STR("gift:0190a5b2-7c3d-7e4f-8a5b-0123456789ab")));
	assert_true(str_eq(contract_tag(op, op->cache_tags[0], &code, 1, out), STR("gift:ABC")));
	assert_true(str_eq(contract_tag(op, op->cache_tags[1], &code, 1, out), STR("totals")));
	assert_null(contract_tag(op, op->cache_tags[0], &bad, 1, out).p);
	assert_null(contract_tag(op, op->cache_tags[0], &code, 0, out).p);
	memset(long_value, 'x', sizeof long_value);
	struct str too_long = str_span(long_value, sizeof long_value - 4);
	assert_null(contract_tag(op, op->cache_tags[0], &too_long, 1, out).p);
	too_long.n = sizeof long_value - 5;
	assert_int_equal(contract_tag(op, op->cache_tags[0], &too_long, 1, out).n, sizeof long_value);
}

static void check_get(const struct contract *c)
{
	const struct operation *op = map_get(&c->operations_by_id, STR("gift_get"));
	assert_non_null(op);
	assert_true(str_eq(op->service, STR("gifts")) && str_eq(op->method, STR("GET")) &&
		    str_eq(op->path, STR("/v1/gifts/{id}")));
	assert_int_equal(op->access, ACCESS_PUBLIC);
	assert_false(op->exclusive);
	assert_true(
	    str_eq(op->cache_control, STR("public, max-age=5")) && op->cache_ttl_s == 5 && op->cache_tag_count == 2);
	assert_true(str_eq(op->cache_tags[1], STR("totals")));
	assert_true(op->collapse_platform);
	check_tags(op);
	assert_int_equal(op->parameter_count, 1);
	assert_true(str_eq(op->parameters[0].bind, STR("path.id")) && op->parameters[0].required &&
		    op->parameters[0].segment == 2);
	assert_int_equal(schema_kind(op->parameters[0].schema), KIND_UUID);
	assert_null(op->body);
	assert_null(op->body_type.p);
	assert_int_equal(op->body_bytes_max, 65536);
	assert_int_equal(op->success_status, 200);
	assert_int_equal(contract_response(op, 404)->status, 404);
	assert_null(contract_response(op, 404)->schema);
	assert_int_equal(contract_response(op, 429)->status, 4);
	assert_true(str_eq(contract_response(op, 429)->content_type, STR("application/problem+json")));
	assert_null(contract_response(op, 500));
	const struct schema *gift = op->success_schema;
	unsigned count;
	const struct str *names = schema_property_names(gift, &count);
	assert_int_equal(count, 4);
	assert_true(str_eq(names[2], STR("paid_at")));
	assert_int_equal(schema_kind(schema_property(gift, STR("amount_fen"))), KIND_INTEGER);
	assert_int_equal(schema_kind(schema_property(gift, STR("paid_at"))), KIND_DATE_TIME);
	assert_true(schema_nullable(schema_property(gift, STR("paid_at"))) &&
		    !schema_nullable(schema_property(gift, STR("id"))));
	assert_true(schema_property_required(gift, STR("id")) && !schema_property_required(gift, STR("donor")));
	assert_int_equal(schema_pii(schema_property(gift, STR("donor"))), PII_NAME);
	assert_null(schema_property(gift, STR("nothing")));
}

static void check_writes(const struct contract *c)
{
	const struct operation *patch = map_get(&c->operations_by_id, STR("gift_update")),
			       *post = map_get(&c->operations_by_id, STR("gift_create"));
	assert_int_equal(patch->access, ACCESS_TOKEN);
	assert_int_equal(patch->schemes, SCHEME_TOKEN | SCHEME_SIGNATURE);
	assert_int_equal(post->schemes, SCHEME_TOKEN);
	assert_true(patch->scope_count == 2 && str_eq(patch->scopes[1], STR("gift:admin")));
	assert_int_equal(contract_audiences(c, patch), AUDIENCE_ALL & ~AUDIENCE_PUBLIC);
	assert_int_equal(contract_audiences(c, post), AUDIENCE_ALL & ~AUDIENCE_PUBLIC);
	assert_int_equal(patch->rows, ROWS_OWN);
	assert_true(patch->if_match_required && patch->body_required && patch->body_bytes_max == 1000);
	assert_true(patch->purge_count == 1 && str_eq(patch->purges[0], STR("gifts")));
	assert_true(str_eq(patch->event, STR("gift.updated")) && str_eq(patch->leaf, STR("correction")) &&
		    str_eq(patch->rate_policy, STR("slow")));
	assert_true(str_eq(patch->body_type, STR("application/merge-patch+json")));
	assert_true(str_eq(patch->parameters[1].bind, STR("header.if_match")) &&
		    str_eq(patch->parameters[1].name, STR("if-match")));
	assert_int_equal(contract_response(patch, 503)->status, 0);
	assert_int_equal(post->idempotency, IDEMPOTENCY_REQUIRED);
	assert_true(post->exclusive);
	assert_true(str_eq(post->body_type, STR("*")) && post->body && !post->body_required);
	assert_int_equal(contract_parameter_index(post, STR("header.idempotency_key")), 0);
	assert_int_equal(contract_parameter_index(post, STR("header.x")), -1);
	assert_true(post->scope_count == 0 && post->access == ACCESS_TOKEN);
}

static void a_whole_contract(void **state)
{
	(void)state;
	const struct contract *c;
	enum err e = load_text(str_of(gifts), &c);
	if (e) print_message("%.*s", STR_FMT(buf_view(&report)));
	assert_int_equal(e, ERR_NONE);
	assert_int_equal(report.n, 0);
	assert_int_equal(c->operation_count, 4);
	check_get(c);
	check_writes(c);
	const struct operation *list = map_get(&c->operations_by_id, STR("gift_list"));
	assert_true(list->list && list->access == ACCESS_INTERNAL);
	assert_true(str_eq(list->parameters[0].fallback, STR("20")) && !list->parameters[1].fallback.p);
	const struct problem_type *p = map_get(&c->problems, STR("gift-closed"));
	assert_true(p->status == 409 && str_eq(p->title[LANGUAGE_ZH], STR("已结束")));
	assert_non_null(map_get(&c->schemas, STR("MoneyFen")));
	assert_int_equal(json_count(c->documents), 2);
	assert_non_null(json_pointer(c->documents, STR("/gifts.yaml/paths/~1v1~1gifts/get")));
	for (unsigned i = 0; i < c->operation_count; i++) assert_int_equal(c->operations[i].index, i);
}

/* One operation around which a fault is placed. */
#define HEAD "openapi: 3.1.0\ninfo: { title: g, version: '1' }\n"
#define GET(more)                                                                                                      \
	HEAD "paths:\n  /v1/x:\n    get: { operationId: x_get, summary: s, security: [], responses: { 200: { "         \
	     "description: d }, 404: { description: n } }" more " }\n"
#define POST(body)                                                                                                     \
	HEAD "paths:\n  /v1/x:\n    post: { operationId: x_post, summary: s, security: [], responses: { 200: { "       \
	     "description: d }, 404: { description: n } },\n"                                                          \
	     "      requestBody: { content: { application/json: { schema: " body " } } } }\n"
#define SCHEMA(text)    HEAD "components:\n  schemas:\n    T: " text "\n"
#define OPERATION(rest) HEAD "paths:\n  /v1/x:\n    get: { summary: s, " rest " }\n"
#define ANSWERS         "responses: { 200: { description: d }, 404: { description: n } }"

static const struct {
	const char *text;
	const char *said; /* a line of the report begins with "gifts.yaml:" and has this */
} faults[] = {
	{ GET(", x-colour: red"), "gifts.yaml:5: operation has an unknown key x-colour" },
	{ GET(", callbacks: {}"), "operation has an unknown key callbacks" },
	{ OPERATION("security: [], " ANSWERS), "gifts.yaml:5: operationId is missing" },
	{ OPERATION("operationId: xGet, security: [], " ANSWERS), "operationId xGet is not snake_case" },
	{ OPERATION("operationId: x_get, " ANSWERS), "security is missing" },
	{ OPERATION("operationId: x_get, security: [{ token: [] }, {}], " ANSWERS), "security must be" },
	{ OPERATION("operationId: x_get, security: [{ key: [] }], " ANSWERS), "security must be" },
	{ OPERATION("operationId: x_get, security: [{ token: [] }, { token: [] }], " ANSWERS), "security must be" },
	{ OPERATION("operationId: x_get, security: [{ token: [a] }, { signature: [b] }], " ANSWERS),
	    "security must be" },
	{ OPERATION("operationId: x_get, security: [{ token: [], signature: [] }], " ANSWERS), "security must be" },
	{ OPERATION("operationId: x_get, security: []"), "responses is missing" },
	{ OPERATION("operationId: x_get, security: [], responses: { 200: { description: d } }"),
	    "no 4XX is documented" },
	{ OPERATION("operationId: x_get, security: [], responses: { 404: { description: d } }"),
	    "no success is documented" },
	{ OPERATION("operationId: x_get, security: [], responses: { 200: {}, 404: { description: d } }"),
	    "description is missing" },
	{ OPERATION("operationId: x_get, security: [], responses: { 200: { description: d }, 404: { description: d }, "
		    "6XX: { description: d } }"),
	    "6XX is no status" },
	{ HEAD "paths:\n  /v1/x:\n    get: { operationId: a, summary: s, security: [], " ANSWERS
	       " }\n    put: { operationId: a, summary: s, security: [], " ANSWERS " }\n",
	    "gifts.yaml:6: operationId a is given twice" },
	{ HEAD "paths:\n  /v1/{a}:\n    get: { operationId: a, summary: s, security: [], " ANSWERS " }\n",
	    "path parameter {a} is not declared" },
	{ HEAD "paths:\n  /v1/{a}:\n    parameters: [{ name: a, in: path, required: true, schema: { type: string, "
	       "maxLength: 9 } }]\n    get: { operationId: a, summary: s, security: [], " ANSWERS " }\n"
	       "  /v1/{b}:\n    parameters: [{ name: b, in: path, required: true, schema: { type: string, maxLength: 9 "
	       "} }]\n    get: { operationId: b, summary: s, security: [], " ANSWERS " }\n",
	    "GET /v1/{b} is given twice" },
	{ HEAD "paths:\n  /v1/{a}b:\n    get: { operationId: a, summary: s, security: [], " ANSWERS " }\n",
	    "is not one that we route" },
	{ HEAD "paths:\n  v1/a:\n    get: { operationId: a, summary: s, security: [], " ANSWERS " }\n",
	    "is not one that we route" },
	{ HEAD "paths:\n  /v1/a/:\n    get: { operationId: a, summary: s, security: [], " ANSWERS " }\n",
	    "is not one that we route" },
	{ HEAD "paths:\n  /v1/a:\n    trace: { operationId: a }\n", "path has an unknown key trace" },
	{ GET(", parameters: [{ name: q, in: query, schema: { type: string } }]"),
	    "a string from outside needs maxLength" },
	{ GET(", parameters: [{ name: q, in: query, schema: { type: integer, minimum: 1 } }]"),
	    "a number from outside needs minimum and maximum" },
	{ GET(", parameters: [{ name: q, in: query, explode: false, schema: { type: array, items: { enum: [a] } } }]"),
	    "a list from outside needs maxItems" },
	{ GET(", parameters: [{ name: q, in: query, schema: { type: array, maxItems: 2, items: { enum: [a] } } }]"),
	    "say explode: false" },
	{ GET(", parameters: [{ name: q, in: query }]"), "parameter q has no schema" },
	{ GET(", parameters: [{ name: q, in: cookie, schema: { enum: [a] } }]"),
	    "a parameter is in path, query or header" },
	{ GET(", parameters: [{ name: Q, in: query, schema: { enum: [a] } }]"), "parameter name Q is not allowed" },
	{ GET(", parameters: [{ name: Authorization, in: header, schema: { enum: [a] } }]"),
	    "parameter name Authorization is not allowed" },
	{ GET(", parameters: [{ name: q, in: path, required: true, schema: { enum: [a] } }]"),
	    "path parameter q is not in the path" },
	{ GET(", parameters: [{ name: q, in: query, schema: { type: integer, minimum: 1, maximum: 5, default: 9 } }]"),
	    "the default of parameter q does not keep its schema" },
	{ GET(", parameters: [{ name: q, in: query, colour: red, schema: { enum: [a] } }]"),
	    "parameter has an unknown key colour" },
	{ GET(", parameters: [{ $ref: 'common.yaml#/components/parameters/Nope' }]"), "leads nowhere" },
	{ GET(", parameters: [{ $ref: 'other.yaml#/components/parameters/Nope' }]"), "leads nowhere" },
	{ GET(", requestBody: { content: { application/json: { schema: { enum: [a] } } } }"), "GET takes no body" },
	{ GET(", x-page: true"), "x-page needs the parameter query.limit" },
	{ GET(", x-page: 'true'"), "x-page must be true or false" },
	{ GET(", x-rows: own"), "x-rows needs a caller" },
	{ GET(", x-rows: mine"), "x-rows has a value that is not known" },
	{ GET(", x-lane: slow"), "x-lane has a value that is not known" },
	{ GET(", x-access: public"), "x-access has a value that is not known" },
	{ GET(", x-if-match: required"), "x-if-match needs the parameter header.if_match" },
	{ GET(", x-idempotency: optional"), "x-idempotency is not for GET" },
	{ GET(", x-event: a.b"), "are not for GET" },
	{ GET(", x-cache: { ttl_s: 5 }"), "control is missing" },
	{ GET(", x-cache: { control: a, ttl_s: 86401 }"), "ttl_s must be" },
	{ GET(", x-cache: { control: a, tags: [1] }"), "tags must be a list of texts" },
	{ GET(", x-cache: { control: a, age: 1 }"), "x-cache has an unknown key age" },
	{ GET(", x-cache: { control: a, tags: ['a b'] }"), "x-cache: a b is no tag" },
	{ GET(", x-cache: { control: a, tags: ['*'] }"), "x-cache: * is no tag" },
	{ GET(", x-cache: { control: a, tags: ['a:{nope}'] }"), "x-cache: a:{nope} is no tag" },
	{ GET(", x-cache: { control: a, tags: ['a:{'] }"), "x-cache: a:{ is no tag" },
	{ GET(", x-cache: { control: a, tags: ['a}'] }"), "x-cache: a} is no tag" },
	{ GET(", x-cache: { control: a, collapse: city }"), "collapse must be process or platform" },
	{ GET(", x-body-bytes-max: 0"), "x-body-bytes-max must be" },
	{ POST("{ type: object }"), "an object from outside needs additionalProperties: false" },
	{ POST("{ type: object, additionalProperties: false, properties: { a: { type: string } } }"),
	    "gifts.yaml:6: a string from outside needs maxLength" },
	{ POST("{ type: object, additionalProperties: false, properties: { a: { type: string, pattern: '^a+$' } } }"),
	    "a string from outside needs maxLength" },
	{ POST("{ type: object, additionalProperties: { type: string, maxLength: 5 } }"),
	    "an object from outside needs" },
	{ HEAD "paths:\n  /v1/x:\n    post: { operationId: x, summary: s, security: [], " ANSWERS
	       ", requestBody: { content: { text/plain: { schema: { enum: [a] } } } } }\n",
	    "media type text/plain is not supported" },
	{ HEAD "paths:\n  /v1/x:\n    post: { operationId: x, summary: s, security: [], " ANSWERS
	       ", requestBody: { content: { application/json: { schema: { enum: [a] } }, '*/*': {} } } }\n",
	    "exactly one media type" },
	{ HEAD "paths:\n  /v1/x:\n    post: { operationId: x, summary: s, security: [], " ANSWERS
	       ", requestBody: { content: { application/json: {} } } }\n",
	    "the body has no schema" },
	{ HEAD "paths:\n  /v1/x:\n    post: { operationId: x, summary: s, security: [], responses: { 201: { "
	       "description: d }, 404: { description: n } } }\n",
	    "must document the header Location" },
	{ HEAD
	    "paths:\n  /v1/x:\n    post: { operationId: x, summary: s, security: [], x-cache: { control: a }, " ANSWERS
	    " }\n",
	    "x-cache is for GET only" },
	{ SCHEMA("{ type: string, unevaluatedProperties: false }"),
	    "unevaluatedProperties is a keyword that is not supported" },
	{ SCHEMA("{ type: string, maxlength: 5 }"), "gifts.yaml:5: maxlength is no known keyword" },
	{ SCHEMA("{ type: string, format: colour }"), "format is not one that is checked here" },
	{ SCHEMA("{ type: string, x-pii: secret }"), "x-pii must be one of" },
	{ SCHEMA("{ type: string, pattern: '(' }"), "pattern missing closing parenthesis" },
	{ SCHEMA("{ type: strin }"), "type names an unknown type" },
	{ SCHEMA("{ $ref: '#/components/schemas/T' }"), "refers to itself without end" },
	{ SCHEMA("{ $ref: 'common.yaml#/components/schemas/Nope' }"), "leads nowhere" },
	{ SCHEMA("{ type: object, properties: { a_fen: { type: number } } }"),
	    "a_fen must be an integer, format int64, with a minimum" },
	{ SCHEMA("{ type: object, properties: { a_fen: { type: integer, format: int64 } } }"),
	    "a_fen must be an integer" },
	{ SCHEMA("{ type: object, properties: { paid_at: { type: string } } }"),
	    "paid_at must be a string, format date-time" },
	{ SCHEMA("{ type: object, properties: { start_date: { type: string, format: date-time } } }"),
	    "start_date must be a string, format date" },
	{ SCHEMA("{}\n    Uuid: {}"), "schema Uuid is given in two files" },
	{ HEAD "x-problems: { Bad_Slug: { status: 409, title: { zh: a, en: b } } }\n", "is no slug" },
	{ HEAD "x-problems: { conflict: { status: 409, title: { zh: a, en: b } } }\n", "is one of the platform's" },
	{ HEAD "x-problems: { some-thing: { status: 200, title: { zh: a, en: b } } }\n", "status must be 400 to 599" },
	{ HEAD "x-problems: { some-thing: { status: 409, title: { zh: a } } }\n", "en is missing" },
	{ OPERATION("operationId: x_get, security: [{ token: ['gift:nobody'] }], " ANSWERS),
	    "scope gift:nobody has no row in x-audiences" },
	{ HEAD "x-audiences: { 'gift:give': [citizen] }\n", "x-audiences stands in common.yaml only" },
	{ HEAD "x-audiences: { 'gift:give': [citizen, mayor] }\n", "an audience is citizen, partner or staff" },
	{ HEAD "x-audiences: { 'gift:give': [] }\n", "gift:give needs a list of audiences" },
	{ HEAD "webhooks: {}\n", "document has an unknown key webhooks" },
	{ "openapi: 3.0.3\ninfo: {}\n", "openapi must be 3.1" },
	{ "openapi: 3.1.0\n", "info is missing" },
	/* YAML */
	{ HEAD "a: &x 1\n", "gifts.yaml:3: anchors and tags are not allowed" },
	{ HEAD "a: *x\n", "aliases are not allowed" },
	{ HEAD "a: !!str 1\n", "anchors and tags are not allowed" },
	{ HEAD "info: {}\n", "gifts.yaml:3: duplicate key info" },
	{ HEAD "a:\n  <<: { b: 1 }\n", "gifts.yaml:4: merge keys are not allowed" },
	{ HEAD "a: 010\n", "write 010 as JSON writes numbers" },
	{ HEAD "a: 0x1F\n", "write 0x1F as JSON" },
	{ HEAD "a: .5\n", "write .5 as JSON" },
	{ HEAD "a: +1\n", "write +1 as JSON" },
	{ HEAD "a: .inf\n", "write .inf as JSON" },
	{ HEAD "---\na: 1\n", "must be one document only" },
	{ HEAD "? [a]\n: 1\n", "keys must be plain text" },
	{ HEAD "a: \"\\0\"\n", "text has a NUL" },
	{ HEAD "a: [1, 2\n", "YAML: " },
	{ HEAD "\ta: 1\n", "YAML: " },
	{ HEAD "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n", "nested too deeply" },
	{ "", "the file is empty" },
	{ "\xef\xbb\xbf" HEAD, "byte order mark" },
	{ "[]\n", "document must be an object" },
};

static void each_fault_has_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		const struct contract *c;
		enum err e = load_text(str_of(faults[i].text), &c);
		struct str said = buf_view(&report);
		if (e != ERR_CONFIG || !str_contains(said, str_of(faults[i].said)) ||
		    !str_starts(said, STR("gifts.yaml:")))
			print_message("case %zu: %s\nsaid %d: %.*s\n", i, faults[i].text, e, STR_FMT(said));
		assert_int_equal(e, ERR_CONFIG);
		assert_null(c);
		assert_true(str_contains(said, str_of(faults[i].said)) && str_starts(said, STR("gifts.yaml:")));
		arena_reset(&arena);
	}
}

static void sound_things_are_not_refused(void **state)
{
	(void)state;
	static const char *const sound[] = {
		GET(", parameters: [{ name: q, in: query, schema: { type: string, pattern: '^[0-9]{2,12}$' } }]"),
		GET(", parameters: [{ name: q, in: query, schema: { anyOf: [{ type: string, format: uuid }, { type: "
		    "'null' }] } }]"),
		POST("{ type: object, additionalProperties: { type: string, maxLength: 5 }, maxProperties: 3 }"),
		POST("{ type: object, additionalProperties: false, properties: { a: { allOf: [{ $ref: "
		     "'common.yaml#/components/schemas/MoneyFen' }, { minimum: 5 }] } } }"),
		SCHEMA("{ type: object, properties: { fee_fen: { type: integer, format: int64, minimum: -5 }, a_fen: { "
		       "anyOf: [{ $ref: 'common.yaml#/components/schemas/MoneyFen' }, { type: 'null' }] } } }"),
		SCHEMA("{ type: object, properties: { next: { $ref: '#/components/schemas/T' }, many: { type: array, "
		       "items: { $ref: '#/components/schemas/T' } } } }"),
		SCHEMA("{ type: string, description: \"yes, no, on, 1.2.3, 2026-11-24 and 12:30 are text\", enum: "
		       "[yes, no, on, 1.2.3, 2026-11-24, 12:30, 1e, e5] }"),
	};
	for (size_t i = 0; i < ARRAY_LEN(sound); i++) {
		const struct contract *c;
		enum err e = load_text(str_of(sound[i]), &c);
		if (e) print_message("%s\n%.*s\n", sound[i], STR_FMT(buf_view(&report)));
		assert_int_equal(e, ERR_NONE);
		arena_reset(&arena);
	}
}

static void all_faults_come_at_once(void **state)
{
	(void)state;
	const struct contract *c;
	const char *text = HEAD "paths:\n  /v1/x:\n    get:\n      operationId: Bad\n      x-a: b\n      x-lane: q\n   "
				"   responses: {}\ncomponents:\n  schemas:\n    T: { nope: 1 }\n";
	assert_int_equal(load_text(str_of(text), &c), ERR_CONFIG);
	unsigned lines = 0;
	for (size_t i = 0; i < report.n; i++) lines += report.p[i] == '\n';
	assert_int_equal(lines, 8);
	assert_true(str_contains(buf_view(&report), STR("gifts.yaml:7: operation has an unknown key x-a")));
	assert_true(str_contains(buf_view(&report), STR("gifts.yaml:12: nope is no known keyword")));
}

static void a_contract_in_several_files(void **state)
{
	(void)state;
	static const char head[] = "openapi: 3.1.0\ninfo: { title: t, version: '1' }\n";
	static const char get[] = "paths:\n  /v1/%s:\n    get:\n      operationId: %s_list\n      summary: s\n"
				  "      security: []\n      responses:\n        '204': { description: d }\n"
				  "        4XX: { $ref: 'common.yaml#/components/responses/Bad' }\n";
	const struct contract *c;
	const struct load_source sources[] = { { STR("common.yaml"), str_of(common) },
		{ STR("gifts.yaml"), arena_printf(&arena, "%s%s", head, arena_printf(&arena, get, "gifts", "gift").p) },
		{ STR("gifts.use.yaml"),
		    arena_printf(&arena, "%s%s", head, arena_printf(&arena, get, "uses", "use").p) } };
	enum err e = contract_load_sources(&arena, sources, 3, &c, &report);
	if (e) print_message("%.*s", STR_FMT(buf_view(&report)));
	assert_int_equal(e, ERR_NONE);
	assert_int_equal(c->operation_count, 2);
	for (unsigned i = 0; i < 2; i++) assert_true(str_eq(c->operations[i].service, STR("gifts")));
}

static void real_contracts_load(void **state)
{
	(void)state;
	const struct contract *c;
	enum err e = contract_load(&arena, "proto", (const char *const[]){ NULL }, &c, &report);
	if (e) print_message("%.*s", STR_FMT(buf_view(&report)));
	assert_int_equal(e, ERR_NONE);
	assert_int_equal(
	    contract_load(&arena, "proto", (const char *const[]){ "nosuch", NULL }, &c, &report), ERR_CONFIG);
	assert_int_equal(contract_load(&arena, "/nonexistent", NULL, &c, &report), ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_contract, setup, teardown),
		cmocka_unit_test_setup_teardown(each_fault_has_its_line, setup, teardown),
		cmocka_unit_test_setup_teardown(sound_things_are_not_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(all_faults_come_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_contract_in_several_files, setup, teardown),
		cmocka_unit_test_setup_teardown(real_contracts_load, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
