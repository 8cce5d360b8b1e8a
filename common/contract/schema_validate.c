/* Does a value keep a schema? Rules are grouped by the type of value, so a value meets only what concerns it. Nothing is
 * allocated unless something is wrong. Work is bounded by a step count; a value that needs more is refused. */
#include "common/contract/schema_run.h"

#include "common/core/utf8.h"

enum { STEPS_MAX = 4000000 };

struct number {
	struct str literal;
	bool is_int64;
	bool parsed; /* d is filled */
	int64_t i;
	struct decimal d;
};

static const struct decimal *exact(struct number *n)
{
	if (!n->parsed) n->parsed = decimal_parse(n->literal, &n->d);
	return &n->d;
}

/* Less than, equal to, greater than zero as the value is to the bound. */
static int compare(struct number *n, const struct bound *b)
{
	if (n->is_int64 && b->is_int64) return (n->i > b->i) - (n->i < b->i);
	return decimal_cmp(exact(n), &b->d);
}

static bool is_multiple(struct number *n, const struct bound *b)
{
	if (n->is_int64 && b->is_int64) return n->i % b->i == 0; /* b > 0 */
	return decimal_is_multiple(exact(n), &b->d);
}

static bool run_number(struct run *run, const struct path *path, const struct number_rules *r, const struct json *value)
{
	struct number n = { .literal = json_number(value) };
	bool ok = true;
	n.is_int64 = json_int64(value, &n.i);
	if (r->least.set && compare(&n, &r->least) < 0)
		ok =
		    run_fail(run, path, "minimum", "must be at least %.*s", "不得小于 %.*s", STR_FMT(r->least.literal));
	if (r->least_exclusive.set && compare(&n, &r->least_exclusive) <= 0)
		ok = run_fail(run, path, "exclusiveMinimum", "must be more than %.*s", "必须大于 %.*s",
		    STR_FMT(r->least_exclusive.literal));
	if (r->most.set && compare(&n, &r->most) > 0)
		ok = run_fail(run, path, "maximum", "must be at most %.*s", "不得大于 %.*s", STR_FMT(r->most.literal));
	if (r->most_exclusive.set && compare(&n, &r->most_exclusive) >= 0)
		ok = run_fail(run, path, "exclusiveMaximum", "must be less than %.*s", "必须小于 %.*s",
		    STR_FMT(r->most_exclusive.literal));
	if (r->multiple_of.set && !is_multiple(&n, &r->multiple_of))
		ok = run_fail(run, path, "multipleOf", "must be a multiple of %.*s", "必须是 %.*s 的倍数",
		    STR_FMT(r->multiple_of.literal));
	return ok;
}

static bool run_string(struct run *run, const struct path *path, const struct string_rules *r, struct str text)
{
	bool ok = true;
	/* Bytes settle most cases: a code point has one to four of them. */
	bool sure = text.n <= r->length_max && text.n / 4 >= r->length_min;
	size_t length = sure ? 0 : utf8_length(text);
	if (!sure && length < r->length_min) {
		if (r->length_min == 1)
			ok = run_fail(run, path, "minLength", "must not be empty", "不能为空");
		else
			ok = run_fail(run, path, "minLength", "must have at least %zu characters",
			    "长度不得少于 %zu 个字符", r->length_min);
	}
	if (!sure && length > r->length_max)
		return run_fail(run, path, "maxLength", "must have at most %zu characters", "长度不得超过 %zu 个字符",
		    r->length_max);
	if (r->pattern && !pattern_matches(r->pattern, text))
		ok = run_fail(
		    run, path, "pattern", "must match %.*s", "格式不正确，须匹配 %.*s", STR_FMT(r->pattern_text));
	return ok;
}

static bool run_format(
    struct run *run, const struct path *path, const struct schema_format *f, const struct json *value)
{
	int64_t i;
	bool ok = true;
	if (f->string && json_type(value) == JSON_STRING) ok = f->string(json_string(value));
	if (f->number && json_type(value) == JSON_NUMBER) ok = json_int64(value, &i) && f->number(i);
	return ok || run_fail_format(run, path, f);
}

static unsigned type_bits(const struct json *value)
{
	struct decimal d;
	int64_t i;
	switch (json_type(value)) {
	case JSON_NULL:
		return TYPE_NULL;
	case JSON_BOOL:
		return TYPE_BOOL;
	case JSON_STRING:
		return TYPE_STRING;
	case JSON_ARRAY:
		return TYPE_ARRAY;
	case JSON_OBJECT:
		return TYPE_OBJECT;
	case JSON_NUMBER:
		break;
	}
	bool whole = json_int64(value, &i) || (decimal_parse(json_number(value), &d) && decimal_is_whole(&d));
	return whole ? TYPE_NUMBER | TYPE_INTEGER : TYPE_NUMBER;
}

bool run_quietly(struct run *run, const struct path *path, const struct schema *s, const struct json *value)
{
	bool quiet = run->quiet;
	run->quiet = true;
	bool ok = run_schema(run, path, s, value);
	run->quiet = quiet;
	return ok;
}

/* When the value's type leaves one alternative only, its own faults say more than "none fits". */
static bool explain(struct run *run, const struct path *path, const struct schema_list *list, const struct json *value)
{
	const struct schema *only = NULL;
	unsigned type = type_bits(value);
	if (run->quiet) return false;
	for (unsigned i = 0; i < list->count; i++) {
		unsigned types = schema_types(list->at[i]);
		if (types && !(types & type)) continue;
		if (only) return false;
		only = list->at[i];
	}
	return only && !run_schema(run, path, only, value);
}

static bool run_any_of(
    struct run *run, const struct path *path, const struct schema_list *list, const struct json *value)
{
	for (unsigned i = 0; i < list->count; i++)
		if (run_quietly(run, path, list->at[i], value)) return true;
	if (explain(run, path, list, value)) return false;
	return run_fail(run, path, "anyOf", "has none of the allowed forms", "不符合任何一种允许的形式");
}

static bool run_one_of(
    struct run *run, const struct path *path, const struct schema_list *list, const struct json *value)
{
	unsigned fits = 0;
	for (unsigned i = 0; i < list->count && fits < 2; i++) fits += run_quietly(run, path, list->at[i], value);
	if (fits == 1) return true;
	if (fits > 1)
		return run_fail(run, path, "oneOf", "has more than one of the allowed forms", "同时符合多种互斥的形式");
	if (explain(run, path, list, value)) return false;
	return run_fail(run, path, "oneOf", "has none of the allowed forms", "不符合任何一种允许的形式");
}

static bool run_combined(
    struct run *run, const struct path *path, const struct combine_rules *r, const struct json *value)
{
	bool ok = true;
	for (unsigned i = 0; i < r->all_of.count; i++)
		if (!run_schema(run, path, r->all_of.at[i], value)) ok = false;
	if (r->any_of.count && !run_any_of(run, path, &r->any_of, value)) ok = false;
	if (r->one_of.count && !run_one_of(run, path, &r->one_of, value)) ok = false;
	if (r->not &&run_quietly(run, path, r->not, value))
		ok = run_fail(run, path, "not", "has a form that is not allowed", "为不允许的形式");
	if (r->condition) {
		const struct schema *next = run_quietly(run, path, r->condition, value) ? r->then : r->otherwise;
		if (next && !run_schema(run, path, next, value)) ok = false;
	}
	return ok;
}

static bool is_listed(const struct json *values, const struct json *value)
{
	for (const struct json *m = json_first(values); m; m = json_next(m))
		if (json_equal(m, value)) return true;
	return false;
}

static bool run_by_type(struct run *run, const struct path *path, const struct schema *s, const struct json *value)
{
	switch (json_type(value)) {
	case JSON_NUMBER:
		return !s->number || run_number(run, path, s->number, value);
	case JSON_STRING:
		return !s->string || run_string(run, path, s->string, json_string(value));
	case JSON_ARRAY:
		return !s->array || run_array(run, path, s->array, value);
	case JSON_OBJECT:
		return !s->object || run_object(run, path, s->object, value);
	case JSON_NULL:
	case JSON_BOOL:
		return true;
	}
	return true;
}

bool run_schema(struct run *run, const struct path *path, const struct schema *s, const struct json *value)
{
	bool ok = true;
	if (run->spent || ++run->steps > STEPS_MAX) {
		run->spent = true;
		return false;
	}
	if (s->reject) return run_fail(run, path, "false", "is not allowed here", "此处不允许出现");
	if (s->types && !(s->types & type_bits(value))) return run_fail_type(run, path, s->types);
	if (s->constant && !json_equal(s->constant, value))
		ok = run_fail(run, path, "const", "does not have the one allowed value", "不是允许的固定值");
	if (s->values && !is_listed(s->values, value)) ok = run_fail_enum(run, path, s->values);
	if (run->quiet && !ok) return false;
	if (!run_by_type(run, path, s, value)) ok = false;
	if (s->format && !run_format(run, path, s->format, value)) ok = false;
	if (run->quiet && !ok) return false;
	if (s->ref && !run_schema(run, path, s->ref, value)) ok = false;
	if (s->combine && !run_combined(run, path, s->combine, value)) ok = false;
	return ok;
}

static bool run_all(struct run *run, const struct schema *s, const struct json *value)
{
	struct path top = { 0 };
	bool ok = run_schema(run, &top, s, value);
	if (!run->spent) return ok;
	run->quiet = false;
	return run_fail(run, &top, "complexity", "takes too much work to check", "内容过于复杂，无法校验");
}

bool schema_validate(const struct schema *s, const struct json *value, struct str pointer, struct violations *v)
{
	struct run run = { .v = v, .pointer = pointer.p ? pointer : STR("") };
	return run_all(&run, s, value);
}

/* The text of a parameter as a value of the schema's type; NULL when it has no such form (a fault was said). */
static const struct json *value_of_text(struct run *run, unsigned types, struct str text)
{
	struct arena *a = run->v->arena;
	struct path top = { 0 };
	struct decimal d;
	int64_t i;
	if ((types & TYPE_INTEGER) && str_to_i64(text, &i) && decimal_parse(text, &d)) return json_new_number(a, text);
	if ((types & TYPE_NUMBER) && decimal_parse(text, &d)) return json_new_number(a, text);
	if ((types & TYPE_BOOL) && str_eq(text, STR("true"))) return json_new_bool(a, true);
	if ((types & TYPE_BOOL) && str_eq(text, STR("false"))) return json_new_bool(a, false);
	if (types == 0 || (types & TYPE_STRING)) return json_new_string(a, text);
	run_fail_type(run, &top, types);
	return NULL;
}

/* "a,b,c" (OpenAPI style form, not exploded). */
static const struct json *list_of_text(struct run *run, const struct schema *s, struct str text)
{
	struct json *list = json_new_array(run->v->arena);
	const struct schema *items = schema_items(s);
	struct str part;
	while (text.n && str_cut(&text, ',', &part)) {
		const struct json *item = value_of_text(run, items ? schema_types(items) : 0, part);
		if (!item) return NULL;
		json_append(list, (struct json *)(uintptr_t)item);
	}
	return list;
}

bool schema_validate_text(const struct schema *s, struct str text, struct str parameter, struct violations *v)
{
	struct run run = { .v = v, .parameter = parameter };
	struct path top = { 0 };
	unsigned types = schema_types(s);
	if ((text.n && memchr(text.p, 0, text.n)) || !utf8_valid(text))
		return run_fail(&run, &top, "encoding", "must be UTF-8 text", "必须是 UTF-8 文本");
	const struct json *value = types & TYPE_ARRAY ? list_of_text(&run, s, text) : value_of_text(&run, types, text);
	if (!value) return false;
	return run_all(&run, s, value);
}
