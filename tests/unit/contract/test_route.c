/* Paths in normal form, finding operations, binding parameters, forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/contract/load.h"

static struct arena boot, arena;
static const struct contract *contract;

static const char text[] =
    "openapi: 3.1.0\n"
    "info: { title: t, version: '1' }\n"
    "paths:\n"
    "  /:\n    get: { operationId: root, summary: s, security: [], responses: R }\n"
    "  /v1/a/{id}:\n    parameters: [{ name: id, in: path, required: true, schema: { type: string, maxLength: 50 } }]\n"
    "    get: { operationId: a_get, summary: s, security: [], responses: R }\n"
    "    delete: { operationId: a_delete, summary: s, security: [], responses: R }\n"
    "  /v1/a/search:\n    get: { operationId: a_search, summary: s, security: [], responses: R }\n"
    "  /v1/a/search/x:\n    get: { operationId: a_search_x, summary: s, security: [], responses: R }\n"
    "  /v1/a/{id}/b/{n}:\n    parameters: [{ name: n, in: path, required: true, schema: { type: integer, minimum: 1, "
    "maximum: 9 } },"
    " { name: id, in: path, required: true, schema: { type: string, maxLength: 50 } }]\n"
    "    post: { operationId: b_post, summary: s, security: [], responses: R }\n"
    "  /t/{level}/{rest}:\n    parameters: [{ name: level, in: path, required: true, schema: { type: string, "
    "maxLength: 9 } },"
    " { name: rest, in: path, required: true, schema: { type: string, maxLength: 50 } }]\n"
    "    get: { operationId: tile, summary: s, security: [], x-rest: true, responses: R }\n"
    "  /t/entries/{rest}:\n    parameters: [{ name: rest, in: path, required: true, schema: { type: string, maxLength: "
    "50 } }]\n"
    "    get: { operationId: bundle, summary: s, security: [], x-rest: true, responses: R }\n"
    "  /t/entries/all:\n    get: { operationId: all, summary: s, security: [], responses: R }\n"
    "  /.well-known/jwks.json:\n    get: { operationId: jwks, summary: s, security: [], responses: R }\n"
    "  /v1/list:\n    get:\n      operationId: list\n      summary: s\n      security: []\n      responses: R\n"
    "      parameters:\n"
    "        - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100, default: 20 } }\n"
    "        - { name: q, in: query, schema: { type: string, minLength: 1, maxLength: 10 } }\n"
    "        - { name: all, in: query, schema: { type: boolean, default: false } }\n"
    "        - { name: states, in: query, explode: false, schema: { type: array, maxItems: 2, uniqueItems: true, "
    "items: { enum: [A, B, C] } } }\n"
    "        - { name: since, in: query, required: true, schema: { type: string, format: date } }\n"
    "        - { name: X-Trace-Level, in: header, schema: { type: integer, minimum: 0, maximum: 9 } }\n";

static int setup(void **state)
{
	(void)state;
	struct buf report, yaml;
	arena_init(&boot, 1 << 16, 16 << 20);
	arena_init(&arena, 1 << 14, 1 << 20);
	buf_init(&report, 1 << 20);
	buf_init(&yaml, 1 << 20);
	struct str rest = str_of(text), line; /* R stands for two responses */
	while (str_cut(&rest, '\n', &line)) {
		struct str marker = STR("responses: R"),
			   full = STR("responses: { 200: { description: d }, 404: { description: n } }");
		for (size_t i = 0; i < line.n; i++) {
			if (str_starts(str_from(line, i), marker)) {
				buf_str(&yaml, full);
				i += marker.n - 1;
			} else {
				buf_char(&yaml, line.p[i]);
			}
		}
		buf_char(&yaml, '\n');
	}
	const struct load_source source = { STR("t.yaml"), buf_view(&yaml) };
	enum err e = contract_load_sources(&boot, &source, 1, &contract, &report);
	if (e) print_message("%.*s", STR_FMT(buf_view(&report)));
	buf_free(&report);
	buf_free(&yaml);
	return e;
}

static int teardown(void **state)
{
	(void)state;
	arena_release(&boot);
	arena_release(&arena);
	return 0;
}

static void normal_form_of_paths(void **state)
{
	(void)state;
	static const struct {
		const char *raw, *normal;
	} good[] = { { "/", "/" }, { "/v1/a", "/v1/a" }, { "/v1//a/", "/v1//a/" }, { "/v1/./a", "/v1/a" },
		{ "/v1/x/../a", "/v1/a" }, { "/../../a", "/a" }, { "/a/b/..", "/a/" }, { "/a/.", "/a/" },
		{ "/..", "/" }, { "/%61%2Fb", "/a%2Fb" }, { "/%e4%b8%ad", "/%E4%B8%AD" }, { "/a/%2e%2E/b", "/b" },
		{ "/a/%2e/b", "/a/b" }, { "/a/...", "/a/..." }, { "/.well-known/x", "/.well-known/x" },
		{ "/a%5cb", "/a%5Cb" }, { "/a;b=c,d:e@f!$&'()*+", "/a;b=c,d:e@f!$&'()*+" }, { "/%7Euser", "/~user" },
		{ "/a/.b/..c", "/a/.b/..c" }, { "/%252e%252e/a", "/%252e%252e/a" } };
	static const char *const bad[] = { "", "a", "*", "/a%", "/a%4", "/a%4g", "/a%00", "/a\\b", "/a b", "/a\tb",
		"/a\x7f", "/a\xe4\xb8", "/a?b", "/a#b", "/<a>", "/a\"b", "http://x/" };
	struct str out;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(contract_normalize_path(&arena, str_of(good[i].raw), &out), ERR_NONE);
		if (!str_eq(out, str_of(good[i].normal))) print_message("%s: %.*s\n", good[i].raw, STR_FMT(out));
		assert_true(str_eq(out, str_of(good[i].normal)));
		struct str again;
		assert_int_equal(contract_normalize_path(&arena, out, &again), ERR_NONE);
		assert_true(str_eq(out, again));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(contract_normalize_path(&arena, str_of(bad[i]), &out), ERR_MALFORMED_REQUEST);
	assert_int_equal(contract_normalize_path(&arena, STR("/a\0b"), &out), ERR_MALFORMED_REQUEST);
}

static void assert_route(const char *method, const char *path, const char *id)
{
	struct route r;
	enum err e = contract_route(contract, &arena, str_of(method), str_of(path), &r);
	if (e) print_message("%s %s: %d\n", method, path, e);
	assert_int_equal(e, ERR_NONE);
	assert_true(str_eq(r.operation->id, str_of(id)));
}

static void finds_operations(void **state)
{
	(void)state;
	struct route r;
	assert_route("GET", "/", "root");
	assert_route("GET", "/v1/a/search", "a_search");
	assert_route("GET", "/v1/a/other", "a_get");
	assert_route("HEAD", "/v1/a/other", "a_get");
	assert_route("GET", "/v1/a/search/x", "a_search_x");
	assert_route("POST", "/v1/a/search/b/3", "b_post"); /* the literal leads nowhere here */
	assert_route("GET", "/.well-known/jwks.json", "jwks");
	static const char *const nowhere[] = { "/v1", "/v1/a", "/v1/a/", "/v1/a/x/", "/v1/a//b/3", "/v2/a/x", "/v1/A/x",
		"/v1/list/", "//", "", "v1/list" };
	for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
		assert_int_equal(contract_route(contract, &arena, STR("GET"), str_of(nowhere[i]), &r), ERR_NOT_FOUND);
		assert_false(r.path_known);
	}
	assert_int_equal(contract_route(contract, &arena, STR("PUT"), STR("/v1/a/x"), &r), ERR_METHOD_NOT_ALLOWED);
	assert_true(r.path_known && !r.operation && str_eq(r.allow, STR("DELETE, GET, HEAD, OPTIONS")));
	assert_int_equal(contract_route(contract, &arena, STR("get"), STR("/v1/a/x"), &r), ERR_METHOD_NOT_ALLOWED);
	assert_int_equal(contract_route(contract, &arena, STR("GET"), STR("/v1/a/x/b/3"), &r), ERR_METHOD_NOT_ALLOWED);
	assert_true(str_eq(r.allow, STR("OPTIONS, POST")));
	assert_int_equal(
	    contract_route(contract, &arena, STR("DELETE"), STR("/v1/a/search"), &r), ERR_METHOD_NOT_ALLOWED);
	assert_int_equal(contract_route(contract, &arena, STR("POST"), STR("/v1/a/x%2Fy%E4%B8%AD/b/7"), &r), ERR_NONE);
	assert_int_equal(r.path_value_count, 2);
	assert_true(str_eq(r.path_values[0], STR("x/y中")) && str_eq(r.path_values[1], STR("7")));
}

static struct str no_header(const void *request, struct str name)
{
	struct str level = str_of(request);
	return str_eq(name, STR("x-trace-level")) && level.n ? level : STR_NONE;
}

static const struct str *bind(const char *method, const char *path, const char *query, const char *level,
    struct violations *v, const struct operation **op)
{
	struct route r;
	struct bound_parameters bound;
	violations_init(v, &arena);
	assert_int_equal(contract_route(contract, &arena, str_of(method), str_of(path), &r), ERR_NONE);
	*op = r.operation;
	assert_int_equal(
	    contract_bind_parameters(r.operation, &arena, &r, str_of(query), no_header, level, &bound, v), ERR_NONE);
	return bound.values;
}

static struct str value_of(const struct operation *op, const struct str *values, const char *name)
{
	int i = contract_parameter_index(op, str_of(name));
	assert_true(i >= 0);
	return values[i];
}

static void takes_the_rest(void **state)
{
	(void)state;
	struct route r;
	assert_route("GET", "/t/0/x001/234", "tile");
	assert_route("GET", "/t/0/a", "tile");
	assert_route("GET", "/t/entries/x001/234.p/7", "bundle");
	assert_route("GET", "/t/entries/all", "all");
	assert_route("GET", "/t/entries/all/x", "bundle");
	assert_int_equal(contract_route(contract, &arena, STR("GET"), STR("/t/entries"), &r), ERR_NOT_FOUND);
	assert_int_equal(contract_route(contract, &arena, STR("GET"), STR("/t/0/"), &r), ERR_NOT_FOUND);
	assert_int_equal(contract_route(contract, &arena, STR("GET"), STR("/t/0/x001/234.p/7"), &r), ERR_NONE);
	assert_int_equal(r.path_value_count, 2);
	assert_true(str_eq(r.path_values[0], STR("0")) && str_eq(r.path_values[1], STR("x001/234.p/7")));
	assert_int_equal(contract_route(contract, &arena, STR("GET"), STR("/t/entries/a/b"), &r), ERR_NONE);
	assert_int_equal(r.path_value_count, 1);
	assert_true(str_eq(r.path_values[0], STR("a/b")));
}

static void binds_and_defaults(void **state)
{
	(void)state;
	struct violations v;
	const struct operation *op;
	const struct str *values =
	    bind("GET", "/v1/list", "since=2026-01-02&q=a%2Bb+c%E4%B8%AD&&states=A,C", "3", &v, &op);
	assert_int_equal(v.count, 0);
	assert_true(str_eq(value_of(op, values, "query.q"), STR("a+b c中")));
	assert_true(str_eq(value_of(op, values, "query.limit"), STR("20")));
	assert_true(str_eq(value_of(op, values, "query.all"), STR("false")));
	assert_true(str_eq(value_of(op, values, "query.states"), STR("A,C")));
	assert_true(str_eq(value_of(op, values, "header.x_trace_level"), STR("3")));
	values = bind("GET", "/v1/list", "since=2026-01-02&limit=7", "", &v, &op);
	assert_int_equal(v.count, 0);
	assert_true(str_eq(value_of(op, values, "query.limit"), STR("7")) && !value_of(op, values, "query.q").p);
	values = bind("POST", "/v1/a/k/b/3", NULL, "", &v, &op);
	assert_int_equal(v.count, 0);
	assert_true(
	    str_eq(value_of(op, values, "path.id"), STR("k")) && str_eq(value_of(op, values, "path.n"), STR("3")));
}

static void says_each_violation(void **state)
{
	(void)state;
	static const struct {
		const char *query, *level, *parameter, *code;
	} cases[] = { { "since=2026-01-02&limit=0", "", "query.limit", "minimum" },
		{ "since=2026-01-02&limit=1e1", "", "query.limit", "type" },
		{ "since=2026-01-02&limit=1.0", "", "query.limit", "type" },
		{ "since=2026-01-02&limit=007", "", "query.limit", "type" },
		{ "since=2026-01-02&limit=", "", "query.limit", "type" },
		{ "since=2026-01-02&limit", "", "query.limit", "type" },
		{ "since=2026-01-02&limit=99999999999999999999", "", "query.limit", "type" },
		{ "since=2026-01-02&q=", "", "query.q", "minLength" },
		{ "since=2026-01-02&q=%ff", "", "query.q", "encoding" },
		{ "since=2026-01-02&q=a%00", "", "query.q", "encoding" },
		{ "since=2026-01-02&q=%4", "", "query.q", "encoding" },
		{ "since=2026-01-02&q=a&q=a", "", "query.q", "repeated" },
		{ "since=2026-01-02&nope=1", "", "query.nope", "unknown" },
		{ "since=2026-01-02&%4=1", "", "query.%4=1", "encoding" },
		{ "since=2026-01-02&Limit=1", "", "query.Limit", "unknown" },
		{ "since=2026-01-02&all=yes", "", "query.all", "type" },
		{ "since=2026-01-02&states=A,B,C", "", "query.states", "maxItems" },
		{ "since=2026-01-02&states=A,A", "", "query.states", "uniqueItems" },
		{ "since=2026-01-02&states=D", "", "query.states", "enum" },
		{ "since=2026-02-30", "", "query.since", "format" }, { "", "", "query.since", "required" },
		{ "since=2026-01-02", "10", "header.x_trace_level", "maximum" } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct violations v;
		const struct operation *op;
		bind("GET", "/v1/list", cases[i].query, cases[i].level, &v, &op);
		bool right = v.count == 1 && str_eq(v.first->parameter, str_of(cases[i].parameter)) &&
			     str_eq(v.first->code, str_of(cases[i].code));
		if (!right && v.first)
			print_message("%s: %u %.*s %.*s\n", cases[i].query, v.count, STR_FMT(v.first->parameter),
			    STR_FMT(v.first->code));
		assert_true(right);
		assert_null(v.first->pointer.p);
		assert_true(v.first->detail[LANGUAGE_EN].n > 0 && v.first->detail[LANGUAGE_ZH].n > 0);
	}
	struct violations v;
	const struct operation *op;
	bind("GET", "/v1/list", "limit=0&q=&x=1&all=2", "12", &v, &op);
	assert_int_equal(v.count, 6);
	bind("POST", "/v1/a/k/b/10", "", "", &v, &op);
	assert_true(v.count == 1 && str_eq(v.first->parameter, STR("path.n")));
}

static void reads_forms(void **state)
{
	(void)state;
	const struct json *form;
	assert_int_equal(contract_read_form(
			     &arena, STR("grant_type=client_credentials&scope=a+b&x=%E4%B8%AD%26&empty=&bare&"), &form),
	    ERR_NONE);
	assert_int_equal(json_count(form), 5);
	assert_true(str_eq(json_get_str(form, "scope"), STR("a b")) && str_eq(json_get_str(form, "x"), STR("中&")));
	assert_true(str_eq(json_get_str(form, "empty"), STR("")) && str_eq(json_get_str(form, "bare"), STR("")));
	assert_int_equal(contract_read_form(&arena, STR(""), &form), ERR_NONE);
	assert_int_equal(json_count(form), 0);
	static const char *const bad[] = { "a=1&a=2", "a=%", "a=%zz", "%=1", "a=%00", "a=%ff", "=1", "a=1&%61=2" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(contract_read_form(&arena, str_of(bad[i]), &form), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_form_of_paths),
		cmocka_unit_test(finds_operations),
		cmocka_unit_test(takes_the_rest),
		cmocka_unit_test(binds_and_defaults),
		cmocka_unit_test(says_each_violation),
		cmocka_unit_test(reads_forms),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
