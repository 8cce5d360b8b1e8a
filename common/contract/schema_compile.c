/* From a JSON Schema document to struct schema: walks subschemas, follows references, and refuses what it cannot keep.
 * Each source node is compiled once, so that recursive schemas become recursive structures. */
#include "common/contract/schema_node.h"

#include <stdarg.h>
#include <stdio.h>

enum { COMPILE_DEPTH_MAX = 400, IN_PLACE_DEPTH_MAX = 64 };

void schema_compiler_init(struct schema_compiler *c, struct arena *boot, struct arena *passing)
{
	*c = (struct schema_compiler){ .boot = boot, .passing = passing };
	map_init(&c->done, passing);
}

void schema_compiler_fault(
    struct schema_compiler *c, const struct json *root, const struct json *node, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	c->faults++;
	c->fault(c->fault_arg, root, node, str_of(text));
}

static struct schema *new_schema(struct schema_compiler *c, const struct json *root, const struct json *node)
{
	struct schema *s = ARENA_NEW(c->boot, struct schema);
	struct str key = arena_str(c->passing, str_span((const char *)&node, sizeof node));
	if (!s || !key.p || !map_set(&c->done, key, s)) {
		schema_compiler_fault(c, root, node, "no memory left for schemas");
		return NULL;
	}
	s->node = node;
	s->root = root;
	s->next = c->all;
	c->all = s;
	return s;
}

const struct schema *schema_compiler_add(struct schema_compiler *c, const struct json *root, const struct json *node)
{
	struct schema *s = map_get(&c->done, str_span((const char *)&node, sizeof node));
	if (s) return s;
	enum json_type type = json_type(node);
	if (type != JSON_OBJECT && type != JSON_BOOL) {
		schema_compiler_fault(c, root, node, "a schema must be an object or a boolean");
		return NULL;
	}
	if (c->depth >= COMPILE_DEPTH_MAX) {
		schema_compiler_fault(c, root, node, "schemas refer to each other too deeply");
		return NULL;
	}
	s = new_schema(c, root, node);
	if (!s) return NULL;
	if (type == JSON_BOOL) {
		s->reject = !json_bool(node);
		return s;
	}
	c->depth++;
	for (const struct json *m = json_first(node); m; m = json_next(m)) schema_compile_keyword(c, s, m);
	schema_compile_object(c, s);
	c->depth--;
	return s;
}

static void visit(struct schema_compiler *c, const struct schema *seen, unsigned depth);

static void visit_list(struct schema_compiler *c, const struct schema_list *list, unsigned depth)
{
	for (unsigned i = 0; i < list->count; i++) visit(c, list->at[i], depth);
}

/* Follows what applies to the same value: a way that comes back would never end. */
static void visit(struct schema_compiler *c, const struct schema *seen, unsigned depth)
{
	if (!seen || seen->cycle_mark == 2) return;
	struct schema *s = map_get(&c->done, str_span((const char *)&seen->node, sizeof seen->node));
	if (s->cycle_mark == 1) {
		schema_compiler_fault(c, s->root, s->node, "refers to itself without end");
		return;
	}
	if (depth > IN_PLACE_DEPTH_MAX) {
		schema_compiler_fault(c, s->root, s->node, "references nest too deeply");
		return;
	}
	s->cycle_mark = 1;
	visit(c, s->ref, depth + 1);
	if (s->combine) {
		visit_list(c, &s->combine->all_of, depth + 1);
		visit_list(c, &s->combine->any_of, depth + 1);
		visit_list(c, &s->combine->one_of, depth + 1);
		visit(c, s->combine->not, depth + 1);
		visit(c, s->combine->condition, depth + 1);
		visit(c, s->combine->then, depth + 1);
		visit(c, s->combine->otherwise, depth + 1);
	}
	for (unsigned i = 0; s->object && i < s->object->dependent_count; i++)
		visit(c, s->object->dependents[i].schema, depth + 1);
	s->cycle_mark = 2;
}

void schema_compiler_finish(struct schema_compiler *c)
{
	for (struct schema *s = c->all; s && c->faults == 0; s = s->next) visit(c, s, 0);
	if (c->faults == 0) schema_shape_all(c);
}

struct report {
	struct buf *out;
	char pointer[512];
};

/* Writes the pointer of `node` below `at` behind the first n bytes; true when found. */
static bool find_pointer(struct report *r, size_t n, const struct json *at, const struct json *node)
{
	size_t index = 0;
	if (at == node) {
		r->pointer[n] = 0;
		return true;
	}
	for (const struct json *m = json_first(at); m; m = json_next(m), index++) {
		size_t room = sizeof r->pointer - n;
		int more = json_type(at) == JSON_ARRAY ? snprintf(r->pointer + n, room, "/%zu", index)
						       : snprintf(r->pointer + n, room, "/%.*s", STR_FMT(json_key(m)));
		if (more < 0 || (size_t)more >= room) continue;
		if (find_pointer(r, n + (size_t)more, m, node)) return true;
	}
	return false;
}

static void report_fault(void *arg, const struct json *root, const struct json *node, struct str text)
{
	struct report *r = arg;
	if (!find_pointer(r, 0, root, node)) snprintf(r->pointer, sizeof r->pointer, "?");
	if (r->out) buf_printf(r->out, "%s: %.*s\n", r->pointer, STR_FMT(text));
}

enum err schema_compile(struct arena *boot, const struct json *root, const struct json *node, schema_resolver *resolve,
    void *arg, const struct schema **out, struct buf *report)
{
	struct report r = { .out = report };
	struct schema_compiler c;
	schema_compiler_init(&c, boot, boot);
	c.resolve = resolve;
	c.resolve_arg = arg;
	c.fault = report_fault;
	c.fault_arg = &r;
	const struct schema *s = schema_compiler_add(&c, root, node);
	schema_compiler_finish(&c);
	*out = c.faults == 0 ? s : NULL;
	return c.faults == 0 ? ERR_NONE : ERR_CONFIG;
}
