/* Paths and operations of one document: templates, identifiers, and the parts that the other load_ files read. */
#include "common/contract/load.h"

#include "common/contract/route.h"

static const struct {
	const char *key;
	struct str name;
} methods[] = { { "get", STR("GET") }, { "put", STR("PUT") }, { "post", STR("POST") }, { "delete", STR("DELETE") },
	{ "patch", STR("PATCH") } };

size_t load_count_operations(const struct document *in)
{
	size_t n = 0;
	const struct json *paths = json_get(in->root, STR("paths"));
	for (const struct json *m = paths && json_type(paths) == JSON_OBJECT ? json_first(paths) : NULL; m;
	     m = json_next(m))
		n += json_count(m);
	return n;
}

static bool is_literal(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && !strchr("-._~", c)) return false;
	}
	return !str_eq(s, STR(".")) && !str_eq(s, STR(".."));
}

static bool is_template(struct str path)
{
	struct str rest = path.n ? str_from(path, 1) : STR_NONE, segment;
	unsigned parameters = 0;
	if (path.n == 0 || path.p[0] != '/') return false;
	while (str_cut(&rest, '/', &segment)) {
		bool parameter = segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
		if (parameter) {
			parameters++;
			if (!load_is_snake_case(str_span(segment.p + 1, segment.n - 2))) return false;
		} else if (!is_literal(segment) || (segment.n == 0 && path.n > 1)) {
			return false;
		}
	}
	return parameters <= PATH_PARAMETERS_MAX;
}

static void load_id(struct loader *l, const struct document *in, struct operation *op)
{
	const struct json *id = load_member(l, in, op->node, "operationId", JSON_STRING, true);
	if (!id) return;
	op->id = json_string(id);
	if (!load_is_snake_case(op->id))
		load_fault(l, in->root, id, "operationId %.*s is not snake_case", STR_FMT(op->id));
	else if (map_get(&l->contract->operations_by_id, op->id))
		load_fault(l, in->root, id, "operationId %.*s is given twice", STR_FMT(op->id));
	else if (!map_set(&l->contract->operations_by_id, op->id, op))
		load_fault(l, in->root, id, "no memory left");
}

static void load_operation(struct loader *l, const struct document *in, const struct json *path_item,
    const struct json *node, struct str method)
{
	static const char *const keys[] = { "operationId", "summary", "description", "tags", "parameters",
		"requestBody", "responses", "security", "deprecated", "x-access", "x-rows", "x-lane", "x-idempotency",
		"x-page", "x-cache", "x-purges", "x-rate-policy", "x-body-bytes-max", "x-event", "x-log", "x-if-match",
		"x-priority", "x-rest", NULL };
	struct operation *op = &l->operations[l->operation_count];
	load_check_keys(l, in, node, "operation", keys);
	if (json_type(node) != JSON_OBJECT) return;
	l->operations_in[l->operation_count] = in;
	*op = (struct operation){ .index = l->operation_count++,
		.service = in->service,
		.method = method,
		.path = json_key(path_item),
		.node = node };
	const struct json *summary = load_member(l, in, node, "summary", JSON_STRING, true);
	if (summary) op->summary = json_string(summary);
	const struct json *rest = load_member(l, in, node, "x-rest", JSON_BOOL, false);
	op->rest = rest && json_bool(rest);
	if (op->rest && !str_ends(op->path, STR("}")))
		load_fault(l, in->root, rest, "x-rest is for a path that ends with a parameter");
	load_id(l, in, op);
	load_parameters(l, in, op, path_item);
	load_body(l, in, op);
	load_responses(l, in, op);
	load_policy(l, in, op);
	enum err e = route_table_add(l->contract->routes, op);
	if (e != ERR_NONE)
		load_fault(l, in->root, node, "%.*s %.*s %s", STR_FMT(method), STR_FMT(op->path),
		    e == ERR_DUPLICATE ? "is given twice" : "does not fit the memory");
}

static void load_path(struct loader *l, const struct document *in, const struct json *item)
{
	if (!is_template(json_key(item))) {
		load_fault(l, in->root, item, "path %.*s is not one that we route", STR_FMT(json_key(item)));
		return;
	}
	if (json_type(item) != JSON_OBJECT) {
		load_fault(l, in->root, item, "a path must be an object");
		return;
	}
	for (const struct json *m = json_first(item); m; m = json_next(m)) {
		struct str key = json_key(m);
		size_t i = 0;
		if (str_eq(key, STR("parameters")) || str_eq(key, STR("summary")) || str_eq(key, STR("description")))
			continue;
		while (i < ARRAY_LEN(methods) && !str_eq(key, str_of(methods[i].key))) i++;
		if (i == ARRAY_LEN(methods))
			load_fault(l, in->root, m, "path has an unknown key %.*s", STR_FMT(key));
		else
			load_operation(l, in, item, m, methods[i].name);
	}
}

void load_paths(struct loader *l, const struct document *in)
{
	const struct json *paths = load_member(l, in, in->root, "paths", JSON_OBJECT, false);
	for (const struct json *m = paths ? json_first(paths) : NULL; m; m = json_next(m)) load_path(l, in, m);
}
