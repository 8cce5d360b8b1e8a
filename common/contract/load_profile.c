/* Our rules for schemas beyond JSON Schema: what comes from outside is bounded, and names keep what they promise. */
#include "common/contract/load.h"

static void fault(struct loader *l, const struct schema *s, const char *text)
{
	load_fault(l, s->root, s->node, "%s", text);
}

/* True when `test` holds for the schema itself or what else applies to the same value. */
static bool holds(const struct schema *s, bool (*test)(const struct schema *))
{
	if (test(s) || (s->ref && holds(s->ref, test))) return true;
	for (unsigned i = 0; s->combine && i < s->combine->all_of.count; i++)
		if (holds(s->combine->all_of.at[i], test)) return true;
	const struct schema *only = schema_only_alternative(s);
	return only && holds(only, test);
}

static bool has_bounded_text(const struct schema *s)
{
	if (s->values || s->constant || (s->format && s->format->string && s->format->bounded)) return true;
	if (s->format && str_eq(s->format->name, STR("binary"))) return true; /* bounded by x-body-bytes-max */
	if (!s->string) return false;
	return s->string->length_max != SIZE_MAX || (s->string->pattern && pattern_is_bounded(s->string->pattern_text));
}

static bool has_items_max(const struct schema *s)
{
	return s->constant || s->values || (s->array && (s->array->items_max != SIZE_MAX));
}

static bool has_least(const struct schema *s)
{
	return s->constant || s->values || (s->number && (s->number->least.set || s->number->least_exclusive.set));
}

static bool has_most(const struct schema *s)
{
	return s->constant || s->values || (s->number && (s->number->most.set || s->number->most_exclusive.set));
}

static bool has_own_minimum(const struct schema *s)
{
	return s->number && (s->number->least.set || s->number->least_exclusive.set);
}

static bool is_closed(const struct schema *s)
{
	if (s->constant || s->values) return true;
	if (!s->object || !s->object->additional) return false;
	return s->object->additional->reject || s->object->members_max != SIZE_MAX;
}

static void check_request(struct loader *l, const struct schema *s)
{
	if ((s->types & TYPE_STRING) && !holds(s, has_bounded_text))
		fault(
		    l, s, "a string from outside needs maxLength (or enum, const, a short format, a bounded pattern)");
	if ((s->types & TYPE_ARRAY) && !holds(s, has_items_max)) fault(l, s, "a list from outside needs maxItems");
	if ((s->types & (TYPE_INTEGER | TYPE_NUMBER)) && !(holds(s, has_least) && holds(s, has_most)))
		fault(l, s, "a number from outside needs minimum and maximum");
	if ((s->types & TYPE_OBJECT) && !is_closed(s))
		fault(l, s, "an object from outside needs additionalProperties: false (or a schema and maxProperties)");
}

static void check_names(struct loader *l, const struct schema *s)
{
	for (unsigned i = 0; s->object && i < s->object->property_count; i++) {
		const struct property *p = &s->object->properties[i];
		const struct schema_format *f = p->schema ? schema_format_of(p->schema) : NULL;
		const char *text = NULL;
		if (!p->schema || p->schema->reject) continue;
		if (str_ends(p->name, STR("_fen")) &&
		    (schema_kind(p->schema) != KIND_INTEGER || !f || !str_eq(f->name, STR("int64")) ||
			!holds(p->schema, has_own_minimum)))
			text = "must be an integer, format int64, with a minimum";
		if (str_ends(p->name, STR("_at")) && schema_kind(p->schema) != KIND_DATE_TIME)
			text = "must be a string, format date-time";
		if (str_ends(p->name, STR("_date")) && schema_kind(p->schema) != KIND_DATE)
			text = "must be a string, format date";
		if (text) load_fault(l, p->schema->root, p->schema->node, "%.*s %s", STR_FMT(p->name), text);
	}
}

static void profile_list(struct loader *l, const struct schema_list *list, enum profile profile)
{
	for (unsigned i = 0; i < list->count; i++) load_profile(l, list->at[i], profile);
}

/* Conditions (not, if, contains) only try values; they need no bounds. */
static void profile_below(struct loader *l, const struct schema *s, enum profile profile)
{
	load_profile(l, s->ref, profile);
	if (s->combine) {
		profile_list(l, &s->combine->all_of, profile);
		profile_list(l, &s->combine->any_of, profile);
		profile_list(l, &s->combine->one_of, profile);
		load_profile(l, s->combine->then, profile);
		load_profile(l, s->combine->otherwise, profile);
	}
	if (s->array) {
		profile_list(l, &s->array->prefix, profile);
		load_profile(l, s->array->items, profile);
	}
	if (!s->object) return;
	for (unsigned i = 0; i < s->object->property_count; i++)
		load_profile(l, s->object->properties[i].schema, profile);
	for (unsigned i = 0; i < s->object->pattern_count; i++) load_profile(l, s->object->patterns[i].schema, profile);
	for (unsigned i = 0; i < s->object->dependent_count; i++)
		load_profile(l, s->object->dependents[i].schema, profile);
	load_profile(l, s->object->additional, profile);
}

void load_profile(struct loader *l, const struct schema *s, enum profile profile)
{
	if (!s || !s->root) return;
	struct map *seen = &l->profiled[profile];
	if (map_get(seen, str_span((const char *)&s->node, sizeof s->node))) return;
	struct str key = arena_str(&l->passing, str_span((const char *)&s->node, sizeof s->node));
	if (!key.p || !map_set(seen, key, l)) return;
	if (profile == PROFILE_REQUEST)
		check_request(l, s);
	else
		check_names(l, s);
	profile_below(l, s, profile);
}
