/* One function per keyword, and the table of all that are known. A keyword outside the table is a fault: a rule that is not
 * checked must not look as if it were. */
#include "common/contract/schema_node.h"

struct site {
	struct schema_compiler *c;
	struct schema *s;
	const struct json *value;
	struct str name;
};

static void fault(const struct site *at, const char *text)
{
	schema_compiler_fault(at->c, at->s->root, at->value, "%.*s %s", STR_FMT(at->name), text);
}

static bool is_type(const struct site *at, enum json_type type, const char *text)
{
	if (json_type(at->value) == type) return true;
	fault(at, text);
	return false;
}

static void *group(const struct site *at, size_t bytes, void *present)
{
	void *p = present ? present : arena_alloc(at->c->boot, bytes);
	if (!p) fault(at, "does not fit the memory");
	return p;
}

static struct number_rules *number_group(const struct site *at)
{
	return at->s->number = group(at, sizeof *at->s->number, at->s->number);
}

static struct string_rules *string_group(const struct site *at)
{
	bool fresh = !at->s->string;
	struct string_rules *g = at->s->string = group(at, sizeof *g, at->s->string);
	if (g && fresh) g->length_max = SIZE_MAX;
	return g;
}

static struct array_rules *array_group(const struct site *at)
{
	bool fresh = !at->s->array;
	struct array_rules *g = at->s->array = group(at, sizeof *g, at->s->array);
	if (g && fresh) *g = (struct array_rules){ .items_max = SIZE_MAX, .contains_min = 1, .contains_max = SIZE_MAX };
	return g;
}

static struct combine_rules *combine_group(const struct site *at)
{
	return at->s->combine = group(at, sizeof *at->s->combine, at->s->combine);
}

static const struct schema *subschema(const struct site *at, const struct json *node)
{
	return schema_compiler_add(at->c, at->s->root, node);
}

static void take_list(const struct site *at, struct schema_list *list)
{
	if (!is_type(at, JSON_ARRAY, "must be a list of schemas")) return;
	if (json_count(at->value) == 0) {
		fault(at, "must not be empty");
		return;
	}
	const struct schema **items = arena_array(at->c->boot, json_count(at->value), sizeof *items);
	if (!items) {
		fault(at, "does not fit the memory");
		return;
	}
	unsigned n = 0;
	for (const struct json *m = json_first(at->value); m; m = json_next(m)) items[n++] = subschema(at, m);
	*list = (struct schema_list){ items, n };
}

static bool take_size(const struct site *at, size_t *out)
{
	int64_t v;
	if (!json_int64(at->value, &v) || v < 0 || v > INT32_MAX) {
		fault(at, "must be a whole number that is not negative");
		return false;
	}
	*out = (size_t)v;
	return true;
}

static void take_bound(const struct site *at, struct bound *b, bool exclusive)
{
	if (!is_type(at, JSON_NUMBER, "must be a number")) return;
	*b = (struct bound){ .set = true, .exclusive = exclusive, .literal = json_number(at->value) };
	b->is_int64 = json_int64(at->value, &b->i);
	if (!decimal_parse(b->literal, &b->d)) fault(at, "has too many digits");
}

static void kw_type(const struct site *at)
{
	static const struct {
		struct str name;
		unsigned bit;
	} types[] = { { STR("null"), TYPE_NULL }, { STR("boolean"), TYPE_BOOL }, { STR("number"), TYPE_NUMBER },
		{ STR("string"), TYPE_STRING }, { STR("array"), TYPE_ARRAY }, { STR("object"), TYPE_OBJECT },
		{ STR("integer"), TYPE_INTEGER } };
	bool list = json_type(at->value) == JSON_ARRAY;
	for (const struct json *m = list ? json_first(at->value) : at->value; m; m = list ? json_next(m) : NULL) {
		size_t i = 0;
		while (i < ARRAY_LEN(types) && !str_eq(types[i].name, json_string(m))) i++;
		if (i == ARRAY_LEN(types))
			fault(at, "names an unknown type");
		else
			at->s->types |= types[i].bit;
	}
	if (at->s->types == 0) fault(at, "must name a type");
}

/* A value that validation looks at. */
static const struct json *lasting(const struct site *at)
{
	return at->c->copies ? json_copy(at->c->boot, at->value) : at->value;
}

static void kw_enum(const struct site *at)
{
	if (!is_type(at, JSON_ARRAY, "must be a list")) return;
	if (json_count(at->value) == 0) fault(at, "must not be empty");
	at->s->values = lasting(at);
}

static void kw_const(const struct site *at)
{
	at->s->constant = lasting(at);
}

static void kw_multiple_of(const struct site *at)
{
	struct number_rules *g = number_group(at);
	if (!g) return;
	take_bound(at, &g->multiple_of, false);
	if (g->multiple_of.set && !decimal_fits_divisor(&g->multiple_of.d)) {
		fault(at, "must be more than 0 with at most 18 digits");
		g->multiple_of.set = false;
	}
}

static void kw_minimum(const struct site *at)
{
	if (number_group(at)) take_bound(at, &at->s->number->least, false);
}

static void kw_maximum(const struct site *at)
{
	if (number_group(at)) take_bound(at, &at->s->number->most, false);
}

static void kw_exclusive_minimum(const struct site *at)
{
	if (number_group(at)) take_bound(at, &at->s->number->least_exclusive, true);
}

static void kw_exclusive_maximum(const struct site *at)
{
	if (number_group(at)) take_bound(at, &at->s->number->most_exclusive, true);
}

static void kw_min_length(const struct site *at)
{
	if (string_group(at)) take_size(at, &at->s->string->length_min);
}

static void kw_max_length(const struct site *at)
{
	if (string_group(at)) take_size(at, &at->s->string->length_max);
}

static void kw_pattern(const struct site *at)
{
	const char *why;
	struct string_rules *g = string_group(at);
	if (!g || !is_type(at, JSON_STRING, "must be a string")) return;
	g->pattern_text = json_string(at->value);
	g->pattern = pattern_compile(at->c->boot, g->pattern_text, &why);
	if (!g->pattern) schema_compiler_fault(at->c, at->s->root, at->value, "pattern %s", why);
}

static void kw_items(const struct site *at)
{
	if (array_group(at)) at->s->array->items = subschema(at, at->value);
}

static void kw_prefix_items(const struct site *at)
{
	if (array_group(at)) take_list(at, &at->s->array->prefix);
}

static void kw_min_items(const struct site *at)
{
	if (array_group(at)) take_size(at, &at->s->array->items_min);
}

static void kw_max_items(const struct site *at)
{
	if (array_group(at)) take_size(at, &at->s->array->items_max);
}

static void kw_unique_items(const struct site *at)
{
	if (array_group(at) && is_type(at, JSON_BOOL, "must be a boolean")) at->s->array->unique = json_bool(at->value);
}

static void kw_contains(const struct site *at)
{
	if (array_group(at)) at->s->array->contains = subschema(at, at->value);
}

static void kw_min_contains(const struct site *at)
{
	if (array_group(at)) take_size(at, &at->s->array->contains_min);
}

static void kw_max_contains(const struct site *at)
{
	if (array_group(at)) take_size(at, &at->s->array->contains_max);
}

static void kw_all_of(const struct site *at)
{
	if (combine_group(at)) take_list(at, &at->s->combine->all_of);
}

static void kw_any_of(const struct site *at)
{
	if (combine_group(at)) take_list(at, &at->s->combine->any_of);
}

static void kw_one_of(const struct site *at)
{
	if (combine_group(at)) take_list(at, &at->s->combine->one_of);
}

static void kw_not(const struct site *at)
{
	if (combine_group(at)) at->s->combine->not = subschema(at, at->value);
}

static void kw_if(const struct site *at)
{
	if (combine_group(at)) at->s->combine->condition = subschema(at, at->value);
}

static void kw_then(const struct site *at)
{
	if (combine_group(at)) at->s->combine->then = subschema(at, at->value);
}

static void kw_else(const struct site *at)
{
	if (combine_group(at)) at->s->combine->otherwise = subschema(at, at->value);
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* A fragment is percent-encoded (RFC 6901 section 6); absent when it is broken. */
static struct str decode_fragment(struct arena *a, struct str s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;
	if (!out) return STR_NONE;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			out[n++] = s.p[i];
			continue;
		}
		if (s.n - i < 3 || hex_value(s.p[i + 1]) < 0 || hex_value(s.p[i + 2]) < 0) return STR_NONE;
		out[n++] = (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]));
		i += 2;
	}
	return str_span(out, n);
}

static void kw_ref(const struct site *at)
{
	struct schema_compiler *c = at->c;
	if (!is_type(at, JSON_STRING, "must be a string")) return;
	struct str ref = json_string(at->value), document = ref, fragment = STR("");
	ptrdiff_t hash = str_index(ref, '#');
	if (hash >= 0) {
		document.n = (size_t)hash;
		fragment = decode_fragment(c->boot, str_from(ref, (size_t)hash + 1));
	}
	const struct json *root = document.n == 0 ? at->s->root
				  : c->resolve    ? c->resolve(c->resolve_arg, document)
						  : NULL;
	const struct json *target = root && fragment.p ? json_pointer(root, fragment) : NULL;
	if (!target) {
		schema_compiler_fault(c, at->s->root, at->value, "$ref \"%.*s\" leads nowhere", STR_FMT(ref));
		return;
	}
	at->s->ref = schema_compiler_add(c, root, target);
}

static void kw_definitions(const struct site *at)
{
	if (!is_type(at, JSON_OBJECT, "must be an object")) return;
	for (const struct json *m = json_first(at->value); m; m = json_next(m)) subschema(at, m);
}

static void kw_format(const struct site *at)
{
	at->s->format = schema_format_find(json_string(at->value));
	if (!at->s->format) fault(at, "is not one that is checked here");
}

static void kw_text(const struct site *at)
{
	is_type(at, JSON_STRING, "must be a string");
}

static void kw_flag(const struct site *at)
{
	is_type(at, JSON_BOOL, "must be a boolean");
}

static void kw_examples(const struct site *at)
{
	is_type(at, JSON_ARRAY, "must be a list");
}

static void kw_anything(const struct site *at)
{
	(void)at;
}

static void kw_schema(const struct site *at)
{
	if (at->s->node != at->s->root ||
	    !str_eq(json_string(at->value), STR("https://json-schema.org/draft/2020-12/schema")))
		fault(at, "must be that of draft 2020-12, at the root");
}

static void kw_id(const struct site *at)
{
	if (at->s->node != at->s->root) fault(at, "is supported at the root only");
}

static void kw_pii(const struct site *at)
{
	static const struct str classes[] = { [PII_NAME] = STR("name"),
		[PII_PHONE] = STR("phone"),
		[PII_ID_NUMBER] = STR("id-number"),
		[PII_EMAIL] = STR("email"),
		[PII_ADDRESS] = STR("address"),
		[PII_BANK] = STR("bank"),
		[PII_HEALTH] = STR("health"),
		[PII_OPENID] = STR("openid") };
	for (size_t i = PII_NAME; i < ARRAY_LEN(classes); i++)
		if (str_eq(classes[i], json_string(at->value))) at->s->pii = (enum pii_class)i;
	if (at->s->pii == PII_NONE)
		fault(at, "must be one of name, phone, id-number, email, address, bank, health, openid");
}

static const struct {
	struct str name;
	void (*compile)(const struct site *at);
} keywords[] = {
	{ STR("type"), kw_type },
	{ STR("enum"), kw_enum },
	{ STR("const"), kw_const },
	{ STR("multipleOf"), kw_multiple_of },
	{ STR("minimum"), kw_minimum },
	{ STR("maximum"), kw_maximum },
	{ STR("exclusiveMinimum"), kw_exclusive_minimum },
	{ STR("exclusiveMaximum"), kw_exclusive_maximum },
	{ STR("minLength"), kw_min_length },
	{ STR("maxLength"), kw_max_length },
	{ STR("pattern"), kw_pattern },
	{ STR("items"), kw_items },
	{ STR("prefixItems"), kw_prefix_items },
	{ STR("minItems"), kw_min_items },
	{ STR("maxItems"), kw_max_items },
	{ STR("uniqueItems"), kw_unique_items },
	{ STR("contains"), kw_contains },
	{ STR("minContains"), kw_min_contains },
	{ STR("maxContains"), kw_max_contains },
	{ STR("allOf"), kw_all_of },
	{ STR("anyOf"), kw_any_of },
	{ STR("oneOf"), kw_one_of },
	{ STR("not"), kw_not },
	{ STR("if"), kw_if },
	{ STR("then"), kw_then },
	{ STR("else"), kw_else },
	{ STR("$ref"), kw_ref },
	{ STR("$defs"), kw_definitions },
	{ STR("format"), kw_format },
	/* members: schema_object.c takes them together */
	{ STR("properties"), kw_anything },
	{ STR("patternProperties"), kw_anything },
	{ STR("additionalProperties"), kw_anything },
	{ STR("required"), kw_anything },
	{ STR("dependentRequired"), kw_anything },
	{ STR("dependentSchemas"), kw_anything },
	{ STR("propertyNames"), kw_anything },
	{ STR("minProperties"), kw_anything },
	{ STR("maxProperties"), kw_anything },
	/* annotations */
	{ STR("title"), kw_text },
	{ STR("description"), kw_text },
	{ STR("$comment"), kw_text },
	{ STR("default"), kw_anything },
	{ STR("examples"), kw_examples },
	{ STR("deprecated"), kw_flag },
	{ STR("readOnly"), kw_flag },
	{ STR("writeOnly"), kw_flag },
	{ STR("$schema"), kw_schema },
	{ STR("$id"), kw_id },
	{ STR("x-pii"), kw_pii },
};

void schema_compile_keyword(struct schema_compiler *c, struct schema *s, const struct json *value)
{
	struct site at = { .c = c, .s = s, .value = value, .name = json_key(value) };
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		if (!str_eq(keywords[i].name, at.name)) continue;
		keywords[i].compile(&at);
		return;
	}
	if (str_list_has(schema_unsupported_keywords(), ',', at.name))
		fault(&at, "is a keyword that is not supported");
	else
		fault(&at, "is no known keyword");
}

struct str schema_unsupported_keywords(void)
{
	return STR("$anchor,$dynamicAnchor,$dynamicRef,$recursiveAnchor,$recursiveRef,$vocabulary,additionalItems,"
		   "contentEncoding,contentMediaType,"
		   "contentSchema,definitions,dependencies,discriminator,example,externalDocs,nullable,"
		   "unevaluatedItems,unevaluatedProperties,xml");
}
