/*
 * The contracts merged into one public OpenAPI document, of what one audience may call and of the components that this needs.
 * References "common.yaml#/components/…" become "#/components/…"; names in
 * components are unique over all files (the contract loader's rule), so the first of a name stands for all.
 */
#include "gateway/openapi.h"

#include "common/core/log.h"
#include "common/json/json_write.h"

enum { OPENAPI_BYTES_MAX = 16 * 1024 * 1024, SCRATCH_BYTES_MAX = 4 * 1024 * 1024 };

struct merge {
	struct json_writer w;
	struct arena scratch;
	const struct contract *contract;
	unsigned audience; /* bits */
	struct map used; /* "#/components/schemas/Gift" */
};

static bool is_ours(struct str key)
{
	return str_starts(key, STR("x-"));
}

/* "common.yaml#/a/b" → "#/a/b" */
static void put_ref(struct json_writer *w, struct str ref)
{
	ptrdiff_t at = str_index(ref, '#');
	json_put_str(w, at > 0 ? str_from(ref, (size_t)at) : ref);
}

/* `names`: the members are names of something (properties, paths), not keywords, so "x-" has no meaning there. */
static void put_tree(struct json_writer *w, const struct json *v, bool names)
{
	if (json_type(v) == JSON_ARRAY) {
		json_begin_array(w);
		for (const struct json *i = json_first(v); i; i = json_next(i)) put_tree(w, i, false);
		json_end_array(w);
		return;
	}
	if (json_type(v) != JSON_OBJECT) {
		json_put_tree(w, v);
		return;
	}
	json_begin_object(w);
	for (const struct json *m = json_first(v); m; m = json_next(m)) {
		struct str key = json_key(m);
		if (!names && is_ours(key)) continue;
		json_put_key(w, key);
		if (!names && str_eq(key, STR("$ref")))
			put_ref(w, json_string(m));
		else
			put_tree(w, m, !names && (str_eq(key, STR("properties")) || str_eq(key, STR("headers"))));
	}
	json_end_object(w);
}

static bool is_meant(const struct merge *m, const struct json *operation)
{
	const struct operation *op = NULL;
	if (json_type(operation) == JSON_OBJECT)
		op = map_get(&m->contract->operations_by_id, json_get_str(operation, "operationId"));
	return op && contract_audiences(m->contract, op) & m->audience;
}

static bool is_method(struct str key)
{
	return str_list_has(STR("get put post patch delete"), ' ', key);
}

/* ---- which components are needed ---- */

static void mark(struct merge *m, const struct json *v);

static void mark_ref(struct merge *m, struct str ref)
{
	ptrdiff_t at = str_index(ref, '#');
	struct str local = at >= 0 ? str_from(ref, (size_t)at) : STR_NONE;
	if (!local.n || map_get(&m->used, local) || !map_set(&m->used, local, m)) return;
	for (const struct json *d = json_first(m->contract->documents); d; d = json_next(d)) {
		const struct json *target = json_pointer(d, str_from(local, 1));
		if (target) mark(m, target);
	}
}

static void mark(struct merge *m, const struct json *v)
{
	if (json_type(v) != JSON_ARRAY && json_type(v) != JSON_OBJECT) return;
	for (const struct json *i = json_first(v); i; i = json_next(i)) {
		if (json_type(v) == JSON_OBJECT && json_type(i) == JSON_STRING && str_eq(json_key(i), STR("$ref")))
			mark_ref(m, json_string(i));
		else
			mark(m, i);
	}
}

/* ---- the parts of the document ---- */

static void put_path(struct merge *m, const struct json *path)
{
	bool any = false;
	for (const struct json *i = json_first(path); i; i = json_next(i))
		any |= is_method(json_key(i)) && is_meant(m, i);
	if (!any) return;
	json_put_key(&m->w, json_key(path));
	json_begin_object(&m->w);
	for (const struct json *i = json_first(path); i; i = json_next(i)) {
		if (is_ours(json_key(i)) || (is_method(json_key(i)) && !is_meant(m, i))) continue;
		json_put_key(&m->w, json_key(i));
		put_tree(&m->w, i, false);
		mark(m, i);
	}
	json_end_object(&m->w);
}

/* One section of components ("schemas") over all documents; a name is written once. */
static void put_section(struct merge *m, struct str section)
{
	struct map seen;
	bool all = str_eq(section, STR("securitySchemes")); /* named without a reference */
	map_init(&seen, &m->scratch);
	json_put_key(&m->w, section);
	json_begin_object(&m->w);
	for (const struct json *d = json_first(m->contract->documents); d; d = json_next(d)) {
		const struct json *from = json_get(json_get(d, STR("components")), section);
		for (const struct json *i = from ? json_first(from) : NULL; i; i = json_next(i)) {
			struct str ref =
			    arena_printf(&m->scratch, "#/components/%.*s/%.*s", STR_FMT(section), STR_FMT(json_key(i)));
			if (is_ours(json_key(i)) || map_get(&seen, json_key(i))) continue;
			if (!all && !map_get(&m->used, ref)) continue;
			if (!map_set(&seen, json_key(i), m)) break;
			json_put_key(&m->w, json_key(i));
			put_tree(&m->w, i, false);
		}
	}
	json_end_object(&m->w);
}

static void put_head(struct json_writer *w, struct str public_url)
{
	json_put_member_str(w, "openapi", STR("3.1.0"));
	json_put_key(w, STR("info"));
	json_begin_object(w);
	json_put_member_str(w, "title", STR("Yangguang 阳光"));
	json_put_member_str(w, "version", STR("1"));
	json_end_object(w);
	json_put_key(w, STR("servers"));
	json_begin_array(w);
	json_begin_object(w);
	json_put_member_str(w, "url", public_url);
	json_end_object(w);
	json_end_array(w);
}

static void put_document(struct merge *m, struct str public_url)
{
	static const char *const sections[] = { "schemas", "responses", "parameters", "headers", "requestBodies",
		"examples", "securitySchemes" };
	json_begin_object(&m->w);
	put_head(&m->w, public_url);
	json_put_key(&m->w, STR("paths"));
	json_begin_object(&m->w);
	for (const struct json *d = json_first(m->contract->documents); d; d = json_next(d)) {
		const struct json *paths = json_get(d, STR("paths"));
		for (const struct json *p = paths ? json_first(paths) : NULL; p; p = json_next(p)) put_path(m, p);
	}
	json_end_object(&m->w);
	json_put_key(&m->w, STR("components"));
	json_begin_object(&m->w);
	for (unsigned i = 0; i < ARRAY_LEN(sections); i++) put_section(m, str_of(sections[i]));
	json_end_object(&m->w);
	json_end_object(&m->w);
}

enum err openapi_write(
    struct arena *a, const struct contract *c, unsigned audience, struct str public_url, struct str *out)
{
	struct buf text;
	struct merge m = { .contract = c, .audience = audience };
	buf_init(&text, OPENAPI_BYTES_MAX);
	arena_init(&m.scratch, 16 * 1024, SCRATCH_BYTES_MAX);
	map_init(&m.used, &m.scratch);
	json_write_init(&m.w, &text);
	put_document(&m, public_url);
	bool ok = buf_ok(&text) && !m.scratch.overflow;
	if (ok) *out = arena_str(a, buf_view(&text));
	ok = ok && out->p;
	buf_free(&text);
	arena_release(&m.scratch);
	if (!ok) log_line(LOG_ERROR, "the merged contract is too large", "more than %d bytes", OPENAPI_BYTES_MAX);
	return ok ? ERR_NONE : ERR_MEMORY;
}
