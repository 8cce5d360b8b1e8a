/* The rules for arrays and objects. Each member is looked up once in the schema's own table; required ones tick a bit. */
#include "common/contract/schema_run.h"

enum { PAIRWISE_MAX = 8 };

static bool find_twin_pairwise(const struct json *array, size_t *at)
{
	size_t index = 1;
	for (const struct json *b = json_next(json_first(array)); b; b = json_next(b), index++)
		for (const struct json *a = json_first(array); a != b; a = json_next(a))
			if (json_equal(a, b)) {
				*at = index;
				return true;
			}
	return false;
}

/* Hashing keeps long lists from costing the square of their length. */
static bool find_twin_hashed(struct run *run, const struct json *array, size_t *at)
{
	size_t cap = 32, index = 0;
	while (cap < 2 * json_count(array)) cap *= 2;
	struct slot {
		uint64_t hash;
		const struct json *item;
	} *slots = arena_array(run->v->arena, cap, sizeof *slots);
	if (!slots) return (*at = 0, true); /* no memory to tell: refuse */
	for (const struct json *item = json_first(array); item; item = json_next(item), index++) {
		uint64_t hash = json_hash(item);
		size_t i = hash & (cap - 1);
		for (; slots[i].item; i = (i + 1) & (cap - 1))
			if (slots[i].hash == hash && json_equal(slots[i].item, item)) {
				*at = index;
				return true;
			}
		slots[i] = (struct slot){ hash, item };
	}
	return false;
}

static bool run_unique(struct run *run, const struct path *path, const struct json *array)
{
	size_t at;
	size_t count = json_count(array);
	if (count < 2) return true;
	bool twin = count <= PAIRWISE_MAX ? find_twin_pairwise(array, &at) : find_twin_hashed(run, array, &at);
	if (!twin) return true;
	struct path item = { .up = path, .index = at };
	return run_fail(run, &item, "uniqueItems", "is in the list already", "列表中有重复项");
}

static bool run_contains(
    struct run *run, const struct path *path, const struct array_rules *r, const struct json *array)
{
	size_t found = 0;
	for (const struct json *m = json_first(array); m && found <= r->contains_max; m = json_next(m))
		found += run_quietly(run, path, r->contains, m);
	if (found < r->contains_min)
		return run_fail(run, path, "contains", "has too few items of the required kind", "缺少符合要求的项");
	if (found > r->contains_max)
		return run_fail(run, path, "contains", "has too many items of one kind", "某类项过多");
	return true;
}

bool run_array(struct run *run, const struct path *path, const struct array_rules *r, const struct json *value)
{
	bool ok = true;
	size_t count = json_count(value), index = 0;
	if (count < r->items_min)
		ok = run_fail(run, path, "minItems", "must have at least %zu items", "至少需要 %zu 项", r->items_min);
	if (count > r->items_max)
		return run_fail(run, path, "maxItems", "must have at most %zu items", "最多允许 %zu 项", r->items_max);
	for (const struct json *m = json_first(value); m; m = json_next(m), index++) {
		const struct schema *s = index < r->prefix.count ? r->prefix.at[index] : r->items;
		struct path item = { .up = path, .index = index };
		if (!s) break;
		if (run_schema(run, &item, s, m)) continue;
		ok = false;
		if (run->quiet || run->spent) return false;
	}
	if (r->unique && !run_unique(run, path, value)) ok = false;
	if (r->contains && !run_contains(run, path, r, value)) ok = false;
	return ok;
}

static bool run_member_name(struct run *run, const struct path *path, const struct schema *names, struct str name)
{
	const struct json *text = json_new_string(run->v->arena, name);
	if (text && run_quietly(run, path, names, text)) return true;
	return run_fail(run, path, "propertyNames", "has a name that is not allowed", "字段名不符合要求");
}

/* All that applies to one member; `known` is its entry in the table, or NULL. */
static bool run_member(struct run *run, const struct path *path, const struct object_rules *r,
    const struct property *known, const struct json *m)
{
	bool matched = known && known->schema, ok = true;
	struct str name = json_key(m);
	if (matched && !run_schema(run, path, known->schema, m)) ok = false;
	for (unsigned i = 0; i < r->pattern_count; i++) {
		if (!pattern_matches(r->patterns[i].pattern, name)) continue;
		matched = true;
		if (!run_schema(run, path, r->patterns[i].schema, m)) ok = false;
	}
	if (!matched && r->additional) {
		if (r->additional->reject)
			ok = run_fail(run, path, "additionalProperties", "is not known here", "未定义的字段");
		else if (!run_schema(run, path, r->additional, m))
			ok = false;
	}
	if (r->names && !run_member_name(run, path, r->names, name)) ok = false;
	return ok;
}

static bool run_required(struct run *run, const struct path *path, const struct object_rules *r, const uint64_t *seen)
{
	for (unsigned i = 0; i < r->property_count; i++) {
		const struct property *p = &r->properties[i];
		if (!p->required || (seen[i / 64] >> (i % 64) & 1)) continue;
		struct path member = { .up = path, .name = p->name };
		run_fail(run, &member, "required", "is required", "必填");
		if (run->quiet) break;
	}
	return false;
}

static bool run_dependents(
    struct run *run, const struct path *path, const struct object_rules *r, const struct json *value)
{
	bool ok = true;
	for (unsigned i = 0; i < r->dependent_count; i++) {
		const struct dependent *d = &r->dependents[i];
		if (!json_get(value, d->trigger)) continue;
		for (unsigned k = 0; k < d->name_count; k++) {
			if (json_get(value, d->names[k])) continue;
			struct path member = { .up = path, .name = d->names[k] };
			ok = run_fail(run, &member, "dependentRequired", "is required together with %.*s",
			    "与 %.*s 一并填写时必填", STR_FMT(d->trigger));
		}
		if (d->schema && !run_schema(run, path, d->schema, value)) ok = false;
	}
	return ok;
}

bool run_object(struct run *run, const struct path *path, const struct object_rules *r, const struct json *value)
{
	uint64_t seen[PROPERTIES_MAX / 64] = { 0 };
	unsigned required_seen = 0;
	size_t count = json_count(value);
	bool ok = true;
	if (count < r->members_min)
		ok = run_fail(run, path, "minProperties", "must have at least %zu members", "至少需要 %zu 个字段",
		    r->members_min);
	if (count > r->members_max)
		return run_fail(
		    run, path, "maxProperties", "must have at most %zu members", "最多允许 %zu 个字段", r->members_max);
	for (const struct json *m = json_first(value); m; m = json_next(m)) {
		const struct property *known = schema_find_property(r, json_key(m));
		struct path member = { .up = path, .name = json_key(m) };
		if (known && known->required) {
			size_t i = (size_t)(known - r->properties);
			seen[i / 64] |= (uint64_t)1 << (i % 64);
			required_seen++;
		}
		if (!run_member(run, &member, r, known, m)) ok = false;
		if (!ok && (run->quiet || run->spent)) return false;
	}
	if (required_seen < r->required_count) ok = run_required(run, path, r, seen);
	if (r->dependent_count && !run_dependents(run, path, r, value)) ok = false;
	return ok;
}
