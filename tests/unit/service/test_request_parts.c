/* The pure parts of a request: keys, canonical bodies, entity tags, binds, checks of an operation against its statement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/contract/load.h"
#include "common/service/runtime.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 4096, 8 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void assert_text(struct str s, const char *want)
{
	if (!want) {
		assert_null(s.p);
		return;
	}
	assert_non_null(s.p);
	assert_string_equal(arena_strz(&arena, s), want);
}

static void test_key(void **state)
{
	(void)state;
	struct str key;
	assert_true(idempotency_normalise(&arena, STR("  \"abc\" "), &key));
	assert_text(key, "abc");
	assert_true(idempotency_normalise(&arena, STR("\"abc\";v=1"), &key));
	assert_text(key, "abc");
	assert_true(idempotency_normalise(&arena, STR("abc"), &key));
	assert_text(key, "abc");
	static const char *const bad[] = { "", "\"\"", " ", "a\"b", "\"a\\b\"", "\"", "a\tb", "\xe4\xb8\xad", "\"ab",
		"\"a\\\\b\"", "\"a\\\"b\"", "\"a\" b", "\"a\";B" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) assert_false(idempotency_normalise(&arena, str_of(bad[i]), &key));
	char longest[257];
	memset(longest, 'k', sizeof longest);
	assert_true(idempotency_normalise(&arena, str_span(longest, 255), &key));
	assert_false(idempotency_normalise(&arena, str_span(longest, 256), &key));
}

static struct str canonical(const char *text)
{
	const struct json *v;
	struct buf out;
	buf_init(&out, 65536);
	assert_int_equal(json_read(&arena, str_of(text), JSON_DEPTH_MAX, &v, NULL), ERR_NONE);
	idempotency_put_canonical(&out, &arena, v);
	assert_true(buf_ok(&out));
	struct str copy = arena_str(&arena, buf_view(&out));
	buf_free(&out);
	return copy;
}

static void test_canonical(void **state)
{
	(void)state;
	assert_text(canonical(" { \"b\" : [ 2, {\"z\":1,\"a\":null} ], \"a\" : \"x\" } "),
	    "{\"a\":\"x\",\"b\":[2,{\"a\":null,\"z\":1}]}");
	assert_text(canonical("[3,1,2]"), "[3,1,2]");
	assert_text(canonical("{}"), "{}");
	assert_text(canonical("\"\\u4e2d\""), "\"中\"");
	assert_text(canonical("9007199254740993"), "9007199254740993");
	assert_false(str_eq(canonical("{\"a\":1}"), canonical("{\"a\":\"1\"}")));
}

static void test_entity_tags(void **state)
{
	(void)state;
	static const char *const match[] = { "\"7\"", "W/\"7\"", "\"6\", \"7\"", "*", " \"7\" ", "\"6\",W/\"7\"" };
	static const char *const other[] = { "7", "\"77\"", "x7x", "\"7", "7\"", "", "W/7", "\"\"", "'7'" };
	for (size_t i = 0; i < ARRAY_LEN(match); i++) assert_true(etag_matches(str_of(match[i]), STR("7")));
	for (size_t i = 0; i < ARRAY_LEN(other); i++) assert_false(etag_matches(str_of(other[i]), STR("7")));
}

static void test_constraint_slug(void **state)
{
	(void)state;
	char slug[SLUG_BYTES_MAX];
	assert_text(constraint_slug(STR("gift_amount_positive"), slug), "gift-amount-positive");
	char longest[300];
	memset(longest, '_', sizeof longest);
	struct str cut = constraint_slug(str_span(longest, sizeof longest), slug);
	assert_int_equal(cut.n, SLUG_BYTES_MAX - 1);
	assert_int_equal(slug[cut.n], '\0');
}

/* ── binds and checks, against a small contract ── */

static const char common_yaml[] = "openapi: 3.1.0\ninfo: { title: c, version: 1.0.0 }\npaths: {}\n";
static const char notes_yaml[] =
    "openapi: 3.1.0\n"
    "info: { title: notes, version: 1.0.0 }\n"
    "paths:\n"
    "  /v1/notes/{id}:\n"
    "    post:\n"
    "      operationId: note_write\n"
    "      summary: Write a note\n"
    "      security: [{ token: [] }]\n"
    "      parameters:\n"
    "        - { name: id, in: path, required: true, schema: { type: string, maxLength: 40 } }\n"
    "        - { name: If-Match, in: header, schema: { type: string, maxLength: 40 } }\n"
    "      requestBody:\n"
    "        content:\n"
    "          application/json:\n"
    "            schema:\n"
    "              type: object\n"
    "              additionalProperties: false\n"
    "              properties:\n"
    "                words: { type: string, maxLength: 40 }\n"
    "                weight: { type: integer, minimum: 0, maximum: 9 }\n"
    "                inner: { type: object, additionalProperties: false, properties: { yes: { type: boolean } } }\n"
    "      responses:\n"
    "        '200':\n"
    "          description: Written\n"
    "          content:\n"
    "            application/json:\n"
    "              schema:\n"
    "                type: object\n"
    "                required: [id, inner]\n"
    "                properties:\n"
    "                  id: { type: string }\n"
    "                  weight: { type: integer }\n"
    "                  marks: { type: array, items: { type: integer } }\n"
    "                  inner: { type: object, required: [yes, no], properties: { yes: { type: boolean }, no: { type: "
    "boolean } } }\n"
    "        '404': { description: None }\n";

static const struct operation *operation(void)
{
	const struct load_source sources[] = {
		{ STR("common.yaml"), { common_yaml, sizeof common_yaml - 1 } },
		{ STR("notes.yaml"), { notes_yaml, sizeof notes_yaml - 1 } },
	};
	const struct contract *c;
	struct buf report;
	buf_init(&report, 65536);
	if (contract_load_sources(&arena, sources, ARRAY_LEN(sources), &c, &report) != ERR_NONE)
		fail_msg("%.*s", STR_FMT(buf_view(&report)));
	buf_free(&report);
	return &c->operations[0];
}

static struct request make_request(struct linked_operation *linked, const char *body)
{
	static struct str values[4];
	*linked = (struct linked_operation){ .operation = operation() };
	struct request r = { .linked = linked, .arena = &arena };
	r.principal = (struct principal){ .kind = PRINCIPAL_STAFF, .subject = STR("s-1"), .organization = STR("4412") };
	values[contract_parameter_index(linked->operation, STR("path.id"))] = STR("n7");
	values[contract_parameter_index(linked->operation, STR("header.if_match"))] = STR("\"3\"");
	r.parameters.values = values;
	if (body) assert_int_equal(json_read(&arena, str_of(body), JSON_DEPTH_MAX, &r.body, NULL), ERR_NONE);
	return r;
}

static void test_values(void **state)
{
	(void)state;
	struct linked_operation linked;
	struct request r = make_request(
	    &linked, "{\"words\":\"a b\",\"weight\":1e1,\"inner\":{\"yes\":true,\"n\":null},\"list\":[1, 2]}");
	assert_text(request_value(&r, "path.id"), "n7");
	assert_text(request_value(&r, "path.other"), NULL);
	assert_text(request_value(&r, "header.if_match"), "3");
	assert_text(request_value(&r, "body.words"), "a b");
	assert_text(request_value(&r, "body.weight"), "10");
	assert_text(request_value(&r, "body.inner.yes"), "true");
	assert_text(request_value(&r, "body.inner.n"), NULL);
	assert_text(request_value(&r, "body.words.deeper"), NULL);
	assert_text(request_value(&r, "body.list"), "[1,2]");
	assert_text(request_value(&r, "identity.kind"), "staff");
	assert_text(request_value(&r, "identity.subject"), "s-1");
	assert_text(request_value(&r, "identity.session"), NULL);
	assert_text(request_value(&r, "idempotency.id"), NULL);
	assert_int_equal(request_value(&r, "new.id").n, 36);
	assert_true(str_eq(request_value(&r, "new.id"), request_value(&r, "new.id")));
	assert_text(request_value(&r, "flow.x"), NULL);
	request_set(&r, "flow.x", STR("one"));
	request_set(&r, "flow.x", STR("two"));
	assert_text(request_value(&r, "flow.x"), "two");
	request_set(&r, "flow.x", STR_NONE);
	assert_text(request_value(&r, "flow.x"), NULL);
}

/* A weak tag compares equal to nothing; "*" is the statement's business. */
static void test_if_match(void **state)
{
	(void)state;
	struct linked_operation linked;
	struct request r = make_request(&linked, NULL);
	struct str *values = arena_array(&arena, 4, sizeof *values);
	int at = contract_parameter_index(linked.operation, STR("header.if_match"));
	r.parameters.values = values;
	values[at] = STR("W/\"3\"");
	assert_text(request_value(&r, "header.if_match"), "W/\"3\"");
	values[at] = STR("*");
	assert_text(request_value(&r, "header.if_match"), "*");
	values[at] = STR_NONE;
	assert_text(request_value(&r, "header.if_match"), NULL);
	assert_text(request_value(&r, "body.words"), NULL);
}

static struct pg_statement statement(struct pg_column_info *columns, unsigned count)
{
	return (struct pg_statement){ .name = STR("note_write"),
		.file = STR("note_write.sql"),
		.shape = SHAPE_ONE,
		.tx = TX_WRITE,
		.columns = columns,
		.column_count = count,
		.described = true };
}

static const char *report_of(
    void check(const struct operation *, const struct pg_statement *, struct buf *), const struct pg_statement *s)
{
	struct buf report;
	buf_init(&report, 65536);
	check(operation(), s, &report);
	const char *text = arena_strz(&arena, arena_printf(&arena, "%.*s", STR_FMT(buf_view(&report))));
	buf_free(&report);
	return text;
}

static void test_columns(void **state)
{
	(void)state;
	struct pg_column_info columns[] = {
		{ .name = STR("id"), .type = 25 },
		{ .name = STR("weight"), .type = 20 },
		{ .name = STR("marks"), .type = 1007, .element = 23 },
		{ .name = STR("inner.yes"), .type = 16 },
		{ .name = STR("inner.no"), .type = 16 },
		{ .name = STR("!etag"), .type = 25 },
	};
	struct pg_statement s = statement(columns, ARRAY_LEN(columns));
	assert_string_equal(report_of(check_columns, &s), "");
	columns[1].type = 25, columns[1].type_name = STR("text");
	assert_non_null(strstr(report_of(check_columns, &s), "\"weight\" has SQL type text"));
	columns[1].type = 21;
	assert_string_equal(report_of(check_columns, &s), "");
	columns[0].type = 17;
	assert_non_null(strstr(report_of(check_columns, &s), "only a flow can open"));
	columns[0].type = 1700; /* numeric is written as a string */
	assert_string_equal(report_of(check_columns, &s), "");
	columns[2].element = 0;
	assert_non_null(strstr(report_of(check_columns, &s), "\"marks\" has SQL type"));
	columns[2].element = 23;
	columns[4].name = STR("inner.maybe");
	const char *report = report_of(check_columns, &s);
	assert_non_null(strstr(report, "column \"inner.maybe\" is not in the answer"));
	assert_non_null(strstr(report, "required member \"inner.no\""));
	columns[3].name = STR("!a"), columns[4].name = STR("!b");
	assert_non_null(strstr(report_of(check_columns, &s), "required member \"inner\""));
	columns[3] = (struct pg_column_info){ .name = STR("inner"), .type = 114 };
	assert_string_equal(report_of(check_columns, &s), "");
}

static void test_shapes(void **state)
{
	(void)state;
	struct pg_column_info columns[] = { { .name = STR("id"), .type = 25 } };
	struct pg_statement s = statement(columns, 1);
	assert_string_equal(report_of(check_shape, &s), "");
	s.shape = SHAPE_NONE;
	assert_non_null(strstr(report_of(check_columns, &s), "documents a body"));
	s.shape = SHAPE_RAW;
	assert_string_equal(report_of(check_columns, &s), "");
	columns[0].name = STR("!etag");
	assert_non_null(strstr(report_of(check_columns, &s), "wants one column"));
	s.shape = SHAPE_PAGE;
	const char *report = report_of(check_shape, &s);
	assert_non_null(strstr(report, "x-page of note_write says otherwise"));
	assert_non_null(strstr(report, "a page wants limit :page.limit"));
	assert_non_null(strstr(report, "columns \"page."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_canonical, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entity_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_constraint_slug, setup, teardown),
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_if_match, setup, teardown),
		cmocka_unit_test_setup_teardown(test_columns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
