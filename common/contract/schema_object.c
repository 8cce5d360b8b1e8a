/* Keywords about the members of objects. Names are found through one open-addressed table that is built here, and a required
 * member is a bit in a set: checking an object touches each of its members once. */
#include "common/contract/schema_node.h"

static uint32_t name_hash(struct str name)
{
	uint32_t h = 2166136261u; /* FNV-1a is enough: the table's names are our own */
	for (size_t i = 0; i < name.n; i++) h = (h ^ (unsigned char)name.p[i]) * 16777619u;
	return h ^ h >> 15;
}

const struct property *schema_find_property(const struct object_rules *rules, struct str name)
{
	if (!rules->slots) return NULL;
	for (uint32_t i = name_hash(name) & rules->slot_mask; rules->slots[i]; i = (i + 1) & rules->slot_mask) {
		const struct property *p = &rules->properties[rules->slots[i] - 1];
		if (str_eq(p->name, name)) return p;
	}
	return NULL;
}

struct building {
	struct schema_compiler *c;
	struct schema *s;
	struct object_rules *rules;
};

static void fault(struct building *b, const struct json *at, const char *text)
{
	schema_compiler_fault(b->c, b->s->root, at, "%.*s %s", STR_FMT(json_key(at)), text);
}

static const struct json *member(struct building *b, const char *name, enum json_type type, const char *text)
{
	const struct json *v = json_get(b->s->node, str_of(name));
	if (v && json_type(v) != type) {
		fault(b, v, text);
		return NULL;
	}
	return v;
}

static struct property *add_property(struct building *b, const struct json *at, struct str name)
{
	struct object_rules *r = b->rules;
	if (r->property_count == PROPERTIES_MAX) {
		fault(b, at, "makes too many properties");
		return NULL;
	}
	struct property *p = &r->properties[r->property_count++];
	p->name = name;
	uint32_t i = name_hash(name) & r->slot_mask;
	while (r->slots[i]) i = (i + 1) & r->slot_mask;
	r->slots[i] = (uint16_t)r->property_count;
	return p;
}

static bool make_table(struct building *b, size_t names)
{
	size_t cap = 8;
	while (cap < 2 * names) cap *= 2;
	if (names == 0) return true;
	b->rules->properties =
	    arena_array(b->c->boot, names < PROPERTIES_MAX ? names : PROPERTIES_MAX, sizeof *b->rules->properties);
	b->rules->slots = arena_array(b->c->boot, cap, sizeof *b->rules->slots);
	b->rules->slot_mask = (unsigned)cap - 1;
	return b->rules->properties && b->rules->slots;
}

static void take_properties(struct building *b)
{
	const struct json *properties = member(b, "properties", JSON_OBJECT, "must be an object");
	const struct json *required = member(b, "required", JSON_ARRAY, "must be a list of names");
	size_t names = (properties ? json_count(properties) : 0) + (required ? json_count(required) : 0);
	if (!make_table(b, names)) {
		fault(b, properties ? properties : required, "does not fit the memory");
		return;
	}
	for (const struct json *m = properties ? json_first(properties) : NULL; m; m = json_next(m)) {
		struct property *p = add_property(b, properties, json_key(m));
		if (!p) return;
		p->schema = schema_compiler_add(b->c, b->s->root, m);
	}
	for (const struct json *m = required ? json_first(required) : NULL; m; m = json_next(m)) {
		if (json_type(m) != JSON_STRING) {
			fault(b, required, "must be a list of names");
			return;
		}
		struct property *p = (struct property *)(uintptr_t)schema_find_property(b->rules, json_string(m));
		if (!p) p = add_property(b, required, json_string(m));
		if (!p) return;
		if (p->required)
			fault(b, required, "names a member twice");
		else
			b->rules->required_count++;
		p->required = true;
	}
}

static void take_patterns(struct building *b)
{
	const struct json *v = member(b, "patternProperties", JSON_OBJECT, "must be an object");
	if (!v || json_count(v) == 0) return;
	b->rules->patterns = arena_array(b->c->boot, json_count(v), sizeof *b->rules->patterns);
	for (const struct json *m = json_first(v); m && b->rules->patterns; m = json_next(m)) {
		const char *why;
		struct pattern_property *p = &b->rules->patterns[b->rules->pattern_count];
		p->pattern = pattern_compile(b->c->boot, json_key(m), &why);
		p->schema = schema_compiler_add(b->c, b->s->root, m);
		if (p->pattern)
			b->rules->pattern_count++;
		else
			schema_compiler_fault(b->c, b->s->root, m, "pattern %s", why);
	}
}

static struct dependent *add_dependent(struct building *b, const struct json *at)
{
	struct dependent *d = &b->rules->dependents[b->rules->dependent_count++];
	d->trigger = json_key(at);
	return d;
}

static void take_dependent_names(struct building *b, const struct json *m)
{
	struct dependent *d = add_dependent(b, m);
	if (json_type(m) != JSON_ARRAY) {
		fault(b, m, "must be a list of names");
		return;
	}
	struct str *names = arena_array(b->c->boot, json_count(m) + 1, sizeof *names);
	for (const struct json *item = json_first(m); item && names; item = json_next(item)) {
		if (json_type(item) != JSON_STRING)
			fault(b, m, "must be a list of names");
		else
			names[d->name_count++] = json_string(item);
	}
	d->names = names;
}

static void take_dependents(struct building *b)
{
	const struct json *names = member(b, "dependentRequired", JSON_OBJECT, "must be an object");
	const struct json *schemas = member(b, "dependentSchemas", JSON_OBJECT, "must be an object");
	size_t count = (names ? json_count(names) : 0) + (schemas ? json_count(schemas) : 0);
	if (count == 0) return;
	b->rules->dependents = arena_array(b->c->boot, count, sizeof *b->rules->dependents);
	if (!b->rules->dependents) return;
	for (const struct json *m = names ? json_first(names) : NULL; m; m = json_next(m)) take_dependent_names(b, m);
	for (const struct json *m = schemas ? json_first(schemas) : NULL; m; m = json_next(m))
		add_dependent(b, m)->schema = schema_compiler_add(b->c, b->s->root, m);
}

static void take_size(struct building *b, const char *name, size_t *out)
{
	const struct json *v = json_get(b->s->node, str_of(name));
	int64_t n;
	if (!v) return;
	if (!json_int64(v, &n) || n < 0 || n > INT32_MAX)
		fault(b, v, "must be a whole number that is not negative");
	else
		*out = (size_t)n;
}

static bool mentions_members(const struct json *node)
{
	static const char *const names[] = { "properties", "patternProperties", "additionalProperties", "required",
		"dependentRequired", "dependentSchemas", "propertyNames", "minProperties", "maxProperties" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (json_get(node, str_of(names[i]))) return true;
	return false;
}

void schema_compile_object(struct schema_compiler *c, struct schema *s)
{
	if (!mentions_members(s->node)) return;
	struct building b = { .c = c, .s = s, .rules = ARENA_NEW(c->boot, struct object_rules) };
	if (!b.rules) {
		schema_compiler_fault(c, s->root, s->node, "no memory left for schemas");
		return;
	}
	s->object = b.rules;
	b.rules->members_max = SIZE_MAX;
	take_properties(&b);
	take_patterns(&b);
	take_dependents(&b);
	take_size(&b, "minProperties", &b.rules->members_min);
	take_size(&b, "maxProperties", &b.rules->members_max);
	const struct json *additional = json_get(s->node, STR("additionalProperties"));
	const struct json *names = json_get(s->node, STR("propertyNames"));
	if (additional) b.rules->additional = schema_compiler_add(c, s->root, additional);
	if (names) b.rules->names = schema_compiler_add(c, s->root, names);
}
