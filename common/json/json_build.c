/* Building trees node by node, for readers of other notations. The arena may run full: then nodes are NULL, adding is a no-op,
 * and the arena's sticky overflow tells. */
#include "common/json/json.h"

#include <stdlib.h>

#include "common/json/json_node.h"

static struct json *new_node(struct arena *a, int type)
{
	cJSON *n = ARENA_NEW(a, cJSON);
	if (n) n->type = type;
	return (struct json *)(void *)n;
}

static struct json *new_text(struct arena *a, struct arena *texts, int type, struct str s)
{
	CHECK(s.n < INT32_MAX);
	struct json *v = new_node(a, type);
	char *bytes = arena_alloc(texts, s.n + 1);
	if (!v || !bytes) return NULL;
	if (s.n) memcpy(bytes, s.p, s.n);
	json_node_mutable(v)->valuestring = bytes;
	json_node_mutable(v)->valueint = (int)s.n;
	return v;
}

struct json *json_new_object(struct arena *a)
{
	return new_node(a, cJSON_Object);
}

struct json *json_new_array(struct arena *a)
{
	return new_node(a, cJSON_Array);
}

struct json *json_new_string_apart(struct arena *a, struct arena *texts, struct str s)
{
	CHECK(!s.n || !memchr(s.p, 0, s.n));
	return new_text(a, texts, cJSON_String, s);
}

struct json *json_new_string(struct arena *a, struct str s)
{
	return json_new_string_apart(a, a, s);
}

struct json *json_new_number_apart(struct arena *a, struct arena *texts, struct str literal)
{
	struct json *v = new_text(a, texts, cJSON_Number, literal);
	if (v) json_node_mutable(v)->valuedouble = strtod(json_node(v)->valuestring, NULL);
	return v;
}

struct json *json_new_number(struct arena *a, struct str literal)
{
	return json_new_number_apart(a, a, literal);
}

struct json *json_new_bool(struct arena *a, bool b)
{
	return new_node(a, b ? cJSON_True : cJSON_False);
}

struct json *json_new_null(struct arena *a)
{
	return new_node(a, cJSON_NULL);
}

void json_append(struct json *array, struct json *item)
{
	cJSON *to = json_node_mutable(array), *node = json_node_mutable(item);
	if (!to || !node) return;
	if (to->child) {
		node->prev = to->child->prev;
		node->prev->next = node;
	} else {
		to->child = node;
	}
	to->child->prev = node;
	to->valueint++;
}

void json_add(struct arena *a, struct json *object, struct str name, struct json *value)
{
	if (!object || !value) return;
	char *copy = arena_alloc(a, name.n + 1);
	if (!copy) return;
	if (name.n) memcpy(copy, name.p, name.n);
	json_add_named(object, copy, value);
}

void json_add_named(struct json *object, char *name, struct json *value)
{
	if (!object || !value) return;
	json_node_mutable(value)->string = name;
	json_append(object, value);
}

struct json *json_copy(struct arena *a, const struct json *v)
{
	const cJSON *node = json_node(v);
	bool text = node->type == cJSON_String || node->type == cJSON_Number;
	struct json *copy = text ? new_text(a, a, node->type, str_span(node->valuestring, (size_t)node->valueint))
				 : new_node(a, node->type);
	if (!copy) return NULL;
	json_node_mutable(copy)->valuedouble = node->valuedouble;
	for (const struct json *m = json_first(v); m; m = json_next(m)) {
		if (json_type(v) == JSON_OBJECT)
			json_add(a, copy, json_key(m), json_copy(a, m));
		else
			json_append(copy, json_copy(a, m));
	}
	return copy;
}

void json_set_line(struct json *v, unsigned line)
{
	if (v && json_type(v) != JSON_NUMBER) json_node_mutable(v)->valuedouble = line;
}

unsigned json_line(const struct json *v)
{
	return json_type(v) == JSON_NUMBER ? 0 : (unsigned)json_node(v)->valuedouble;
}
