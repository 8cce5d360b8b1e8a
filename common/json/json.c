/* Reading a tree: types, members, exact numbers, equality, pointers. Nothing here allocates. */
#include "common/json/json.h"

#include "common/core/id.h"
#include "common/json/decimal.h"
#include "common/json/json_node.h"

enum json_type json_type(const struct json *v)
{
	switch (json_node(v)->type & 0xff) {
	case cJSON_Object:
		return JSON_OBJECT;
	case cJSON_Array:
		return JSON_ARRAY;
	case cJSON_String:
		return JSON_STRING;
	case cJSON_Number:
		return JSON_NUMBER;
	case cJSON_True:
	case cJSON_False:
		return JSON_BOOL;
	default:
		return JSON_NULL;
	}
}

bool json_bool(const struct json *v)
{
	return (json_node(v)->type & 0xff) == cJSON_True;
}

struct str json_string(const struct json *v)
{
	const cJSON *n = json_node(v);
	return (n->type & 0xff) == cJSON_String ? str_span(n->valuestring, (size_t)n->valueint) : STR_NONE;
}

struct str json_number(const struct json *v)
{
	const cJSON *n = json_node(v);
	return (n->type & 0xff) == cJSON_Number ? str_span(n->valuestring, (size_t)n->valueint) : STR_NONE;
}

bool json_int64(const struct json *v, int64_t *out)
{
	struct str literal = json_number(v);
	struct decimal d;
	if (!literal.p) return false;
	if (str_to_i64(literal, out)) return true;
	return decimal_parse(literal, &d) && decimal_int64(&d, out);
}

double json_double(const struct json *v)
{
	return json_type(v) == JSON_NUMBER ? json_node(v)->valuedouble : 0;
}

size_t json_count(const struct json *v)
{
	enum json_type type = json_type(v);
	return type == JSON_ARRAY || type == JSON_OBJECT ? (size_t)json_node(v)->valueint : 0;
}

const struct json *json_first(const struct json *v)
{
	return json_of(json_node(v)->child);
}

const struct json *json_next(const struct json *v)
{
	return json_of(json_node(v)->next);
}

struct str json_key(const struct json *member)
{
	return str_of(json_node(member)->string);
}

const struct json *json_get(const struct json *object, struct str name)
{
	if (!object || json_type(object) != JSON_OBJECT) return NULL;
	for (const cJSON *m = json_node(object)->child; m; m = m->next)
		if (strncmp(m->string, name.p ? name.p : "", name.n) == 0 && m->string[name.n] == 0) return json_of(m);
	return NULL;
}

const struct json *json_at(const struct json *array, size_t index)
{
	if (!array || json_type(array) != JSON_ARRAY || index >= json_count(array)) return NULL;
	const cJSON *item = json_node(array)->child;
	while (item && index--) item = item->next;
	return json_of(item);
}

static bool numbers_equal(struct str a, struct str b)
{
	struct decimal x, y;
	if (str_eq(a, b)) return true;
	return decimal_parse(a, &x) && decimal_parse(b, &y) && decimal_cmp(&x, &y) == 0;
}

static bool arrays_equal(const struct json *a, const struct json *b)
{
	const struct json *y = json_first(b);
	for (const struct json *x = json_first(a); x; x = json_next(x), y = json_next(y))
		if (!json_equal(x, y)) return false;
	return true;
}

static bool objects_equal(const struct json *a, const struct json *b)
{
	const struct json *guess = json_first(b); /* most often the members come in the same order */
	for (const struct json *x = json_first(a); x; x = json_next(x)) {
		const struct json *y = guess && str_eq(json_key(guess), json_key(x)) ? guess : json_get(b, json_key(x));
		if (!y || !json_equal(x, y)) return false;
		guess = json_next(y);
	}
	return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
	enum json_type type = json_type(a);
	if (type != json_type(b)) return false;
	switch (type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return json_bool(a) == json_bool(b);
	case JSON_NUMBER:
		return numbers_equal(json_number(a), json_number(b));
	case JSON_STRING:
		return str_eq(json_string(a), json_string(b));
	case JSON_ARRAY:
		return json_count(a) == json_count(b) && arrays_equal(a, b);
	case JSON_OBJECT:
		return json_count(a) == json_count(b) && objects_equal(a, b);
	}
	return false;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint64_t number_hash(struct str literal)
{
	struct decimal d;
	if (!decimal_parse(literal, &d)) return 0;
	return mix(id_hash(str_span(d.digits, d.n)), (uint64_t)(uint32_t)d.exponent << 1 | d.negative);
}

uint64_t json_hash(const struct json *v)
{
	uint64_t h = mix(0, (uint64_t)json_type(v));
	switch (json_type(v)) {
	case JSON_NULL:
		return h;
	case JSON_BOOL:
		return mix(h, json_bool(v));
	case JSON_NUMBER:
		return mix(h, number_hash(json_number(v)));
	case JSON_STRING:
		return mix(h, id_hash(json_string(v)));
	case JSON_ARRAY:
		for (const struct json *c = json_first(v); c; c = json_next(c)) h = mix(h, json_hash(c));
		return h;
	case JSON_OBJECT: /* a sum, since order does not count */
		for (const struct json *c = json_first(v); c; c = json_next(c))
			h += mix(id_hash(json_key(c)), json_hash(c));
		return h;
	}
	return h;
}

struct str json_get_str(const struct json *object, const char *name)
{
	const struct json *v = json_get(object, str_of(name));
	return v ? json_string(v) : STR_NONE;
}

int64_t json_get_i64(const struct json *object, const char *name, int64_t fallback)
{
	const struct json *v = json_get(object, str_of(name));
	int64_t out;
	return v && json_int64(v, &out) ? out : fallback;
}

bool json_get_bool(const struct json *object, const char *name, bool fallback)
{
	const struct json *v = json_get(object, str_of(name));
	return v && json_type(v) == JSON_BOOL ? json_bool(v) : fallback;
}

/* True when the reference token (with ~0 and ~1) names `key`. */
static bool token_is(struct str token, struct str key)
{
	size_t k = 0;
	for (size_t i = 0; i < token.n; i++, k++) {
		char c = token.p[i];
		if (c == '~') {
			if (++i == token.n || (token.p[i] != '0' && token.p[i] != '1')) return false;
			c = token.p[i] == '0' ? '~' : '/';
		}
		if (k == key.n || key.p[k] != c) return false;
	}
	return k == key.n;
}

static const struct json *pointer_step(const struct json *v, struct str token)
{
	uint64_t index;
	if (json_type(v) == JSON_ARRAY) {
		bool number = str_to_u64(token, &index) && (token.n == 1 || token.p[0] != '0');
		return number ? json_at(v, index) : NULL;
	}
	if (json_type(v) != JSON_OBJECT) return NULL;
	for (const struct json *m = json_first(v); m; m = json_next(m))
		if (token_is(token, json_key(m))) return m;
	return NULL;
}

const struct json *json_pointer(const struct json *root, struct str pointer)
{
	struct str token;
	if (pointer.n == 0) return root;
	if (pointer.p[0] != '/') return NULL;
	pointer = str_span(pointer.p + 1, pointer.n - 1);
	while (root && str_cut(&pointer, '/', &token)) root = pointer_step(root, token);
	return root;
}
