/* What a schema says about the form of its values, for linking SQL: kinds, nullability, properties. Looks through $ref and allOf. */
#include "common/contract/schema_node.h"

unsigned schema_types(const struct schema *s)
{
	return s->effective_types;
}

const struct schema *schema_only_alternative(const struct schema *s)
{
	const struct schema *only = NULL;
	if (!s->combine) return NULL;
	const struct schema_list *list = s->combine->any_of.count ? &s->combine->any_of : &s->combine->one_of;
	for (unsigned i = 0; i < list->count; i++) {
		if (schema_types(list->at[i]) == TYPE_NULL) continue;
		if (only) return NULL;
		only = list->at[i];
	}
	return only;
}

const struct schema_format *schema_format_of(const struct schema *s)
{
	const struct schema_format *f = s->format;
	if (!f && s->ref) f = schema_format_of(s->ref);
	for (unsigned i = 0; !f && s->combine && i < s->combine->all_of.count; i++)
		f = schema_format_of(s->combine->all_of.at[i]);
	const struct schema *only = f ? NULL : schema_only_alternative(s);
	return only ? schema_format_of(only) : f;
}

enum schema_kind schema_kind(const struct schema *s)
{
	const struct schema_format *f = schema_format_of(s);
	switch (schema_types(s) & ~(unsigned)TYPE_NULL) {
	case TYPE_STRING:
		return f && f->string ? f->kind : KIND_STRING;
	case TYPE_INTEGER:
		return KIND_INTEGER;
	case TYPE_NUMBER:
	case TYPE_NUMBER | TYPE_INTEGER:
		return KIND_NUMBER;
	case TYPE_BOOL:
		return KIND_BOOLEAN;
	case TYPE_OBJECT:
		return KIND_OBJECT;
	case TYPE_ARRAY:
		return KIND_ARRAY;
	default:
		return KIND_ANY;
	}
}

bool schema_nullable(const struct schema *s)
{
	unsigned types = schema_types(s);
	return types == 0 || (types & TYPE_NULL);
}

enum pii_class schema_pii(const struct schema *s)
{
	enum pii_class pii = s->pii;
	if (!pii && s->ref) pii = schema_pii(s->ref);
	for (unsigned i = 0; !pii && s->combine && i < s->combine->all_of.count; i++)
		pii = schema_pii(s->combine->all_of.at[i]);
	const struct schema *only = pii ? NULL : schema_only_alternative(s);
	return only ? schema_pii(only) : pii;
}

const struct schema *schema_property(const struct schema *s, struct str name)
{
	const struct property *p = s->object ? schema_find_property(s->object, name) : NULL;
	const struct schema *found = p ? p->schema : NULL;
	if (!found && s->ref) found = schema_property(s->ref, name);
	for (unsigned i = 0; !found && s->combine && i < s->combine->all_of.count; i++)
		found = schema_property(s->combine->all_of.at[i], name);
	const struct schema *only = found ? NULL : schema_only_alternative(s);
	return only ? schema_property(only, name) : found;
}

bool schema_property_required(const struct schema *s, struct str name)
{
	const struct property *p = s->object ? schema_find_property(s->object, name) : NULL;
	if (p && p->required) return true;
	if (s->ref && schema_property_required(s->ref, name)) return true;
	for (unsigned i = 0; s->combine && i < s->combine->all_of.count; i++)
		if (schema_property_required(s->combine->all_of.at[i], name)) return true;
	return false;
}

const struct schema *schema_items(const struct schema *s)
{
	const struct schema *items = s->array ? s->array->items : NULL;
	if (!items && s->ref) items = schema_items(s->ref);
	for (unsigned i = 0; !items && s->combine && i < s->combine->all_of.count; i++)
		items = schema_items(s->combine->all_of.at[i]);
	const struct schema *only = items ? NULL : schema_only_alternative(s);
	return only ? schema_items(only) : items;
}

const struct str *schema_property_names(const struct schema *s, unsigned *count)
{
	*count = s->name_count;
	return s->names;
}

static unsigned union_types(const struct schema *s)
{
	unsigned types = s->types;
	if (!types && s->ref) types = s->ref->effective_types;
	for (unsigned i = 0; !types && s->combine && i < s->combine->all_of.count; i++)
		types = s->combine->all_of.at[i]->effective_types;
	if (types || !s->combine) return types;
	const struct schema_list *alternatives = s->combine->any_of.count ? &s->combine->any_of : &s->combine->one_of;
	for (unsigned i = 0; i < alternatives->count; i++) {
		if (!alternatives->at[i]->effective_types) return 0;
		types |= alternatives->at[i]->effective_types;
	}
	return types;
}

struct name_list {
	struct str at[PROPERTIES_MAX];
	unsigned count;
};

static void add_name(struct name_list *list, struct str name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (str_eq(list->at[i], name)) return;
	if (list->count < PROPERTIES_MAX) list->at[list->count++] = name;
}

static void add_names_of(struct name_list *list, const struct schema *s)
{
	for (unsigned i = 0; s && i < s->name_count; i++) add_name(list, s->names[i]);
}

static void list_names(struct schema_compiler *c, struct schema *s)
{
	struct name_list list = { .count = 0 };
	for (unsigned i = 0; s->object && i < s->object->property_count; i++)
		if (s->object->properties[i].schema) add_name(&list, s->object->properties[i].name);
	add_names_of(&list, s->ref);
	for (unsigned i = 0; s->combine && i < s->combine->all_of.count; i++)
		add_names_of(&list, s->combine->all_of.at[i]);
	add_names_of(&list, schema_only_alternative(s));
	struct str *names = list.count ? arena_array(c->boot, list.count, sizeof *names) : NULL;
	if (!names) return;
	memcpy(names, list.at, list.count * sizeof *names);
	s->names = names;
	s->name_count = list.count;
}

static void shape_list(struct schema_compiler *c, const struct schema_list *list);

/* What applies to the same value comes first; the finish has made sure that this ends. */
static void shape(struct schema_compiler *c, const struct schema *seen)
{
	struct schema *s =
	    seen && seen->node ? map_get(&c->done, str_span((const char *)&seen->node, sizeof seen->node)) : NULL;
	if (!s || s->shaped) return;
	s->shaped = true;
	shape(c, s->ref);
	if (s->combine) {
		shape_list(c, &s->combine->all_of);
		shape_list(c, &s->combine->any_of);
		shape_list(c, &s->combine->one_of);
	}
	s->effective_types = union_types(s);
	if (s->object || s->ref || s->combine) list_names(c, s);
}

static void shape_list(struct schema_compiler *c, const struct schema_list *list)
{
	for (unsigned i = 0; i < list->count; i++) shape(c, list->at[i]);
}

void schema_shape_all(struct schema_compiler *c)
{
	for (struct schema *s = c->all; s; s = s->next) shape(c, s);
}
