/*
 * The contracts merged into one public OpenAPI document. References "common.yaml#/components/…" become "#/components/…"; names in
 * components are unique over all files (the contract loader's rule), so the first of a name stands for all.
 */
#include "gateway/openapi.h"

#include "common/core/log.h"
#include "common/json/json_write.h"

enum { OPENAPI_BYTES_MAX = 16 * 1024 * 1024 };

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

static bool is_public(const struct json *operation)
{
	return json_type(operation) == JSON_OBJECT && !str_eq(json_get_str(operation, "x-access"), STR("internal"));
}

static bool is_method(struct str key)
{
	return str_list_has(STR("get put post patch delete"), ' ', key);
}

static void put_path(struct json_writer *w, const struct json *path)
{
	bool any = false;
	for (const struct json *m = json_first(path); m; m = json_next(m))
		any |= is_method(json_key(m)) && is_public(m);
	if (!any) return;
	json_put_key(w, json_key(path));
	json_begin_object(w);
	for (const struct json *m = json_first(path); m; m = json_next(m)) {
		if (is_ours(json_key(m)) || (is_method(json_key(m)) && !is_public(m))) continue;
		json_put_key(w, json_key(m));
		put_tree(w, m, false);
	}
	json_end_object(w);
}

/* One section of components ("schemas") over all documents; a name is written once. */
static void put_section(struct arena *a, struct json_writer *w, const struct json *documents, struct str section)
{
	struct map seen;
	map_init(&seen, a);
	json_put_key(w, section);
	json_begin_object(w);
	for (const struct json *d = json_first(documents); d; d = json_next(d)) {
		const struct json *from = json_get(json_get(d, STR("components")), section);
		for (const struct json *m = from ? json_first(from) : NULL; m; m = json_next(m)) {
			if (is_ours(json_key(m)) || map_get(&seen, json_key(m))) continue;
			if (!map_set(&seen, json_key(m), w)) break;
			json_put_key(w, json_key(m));
			put_tree(w, m, false);
		}
	}
	json_end_object(w);
}

static void put_document(struct arena *a, struct json_writer *w, const struct json *documents, struct str public_url)
{
	static const char *const sections[] = { "schemas", "responses", "parameters", "headers", "requestBodies",
		"examples", "securitySchemes" };
	json_begin_object(w);
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
	json_put_key(w, STR("paths"));
	json_begin_object(w);
	for (const struct json *d = json_first(documents); d; d = json_next(d)) {
		const struct json *paths = json_get(d, STR("paths"));
		for (const struct json *p = paths ? json_first(paths) : NULL; p; p = json_next(p)) put_path(w, p);
	}
	json_end_object(w);
	json_put_key(w, STR("components"));
	json_begin_object(w);
	for (unsigned i = 0; i < ARRAY_LEN(sections); i++) put_section(a, w, documents, str_of(sections[i]));
	json_end_object(w);
	json_end_object(w);
}

enum err openapi_write(struct arena *a, const struct contract *c, struct str public_url, struct str *out)
{
	struct buf text;
	struct json_writer w;
	struct arena scratch;
	buf_init(&text, OPENAPI_BYTES_MAX);
	arena_init(&scratch, 16 * 1024, 4 * 1024 * 1024);
	json_write_init(&w, &text);
	put_document(&scratch, &w, c->documents, public_url);
	if (buf_ok(&text)) *out = arena_str(a, buf_view(&text));
	bool ok = buf_ok(&text) && out->p;
	buf_free(&text);
	arena_release(&scratch);
	if (!ok) log_line(LOG_ERROR, "the merged contract is too large", "more than %d bytes", OPENAPI_BYTES_MAX);
	return ok ? ERR_NONE : ERR_MEMORY;
}
