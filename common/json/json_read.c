/* Text to tree: strict scan, cJSON inside the arena, then one walk over tree and text together that gives every number its
 * literal, counts children and refuses duplicate names. cJSON's hooks are process-wide: they are set once and read a
 * thread-local arena, which is set only while json_read runs; nothing is ever given back. */
#include "common/json/json.h"

#include <math.h>
#include <pthread.h>

#include "common/core/id.h"
#include "common/json/json_node.h"

enum { PAIRWISE_MAX = 16 }; /* larger objects find duplicates by hashing */

static _Thread_local struct arena *parsing;

static void *hook_alloc(size_t bytes)
{
	return parsing ? arena_alloc(parsing, bytes) : NULL;
}

static void hook_free(void *p)
{
	(void)p;
}

static void set_hooks(void)
{
	cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = hook_alloc, .free_fn = hook_free });
}

struct walk {
	struct arena *arena;
	struct str text;
	size_t at;
	struct json_error *error;
	enum err err;
};

static bool walk_fail(struct walk *w, enum err e, const char *code, size_t offset)
{
	*w->error = (struct json_error){ .code = code, .offset = offset };
	w->err = e;
	return false;
}

/* Moves to the next string, number or word; brackets, commas and colons follow the tree anyway. */
static void next_token(struct walk *w)
{
	for (;; w->at++) {
		switch (w->text.p[w->at]) {
		case ' ':
		case '\t':
		case '\r':
		case '\n':
		case ',':
		case ':':
		case '[':
		case ']':
		case '{':
		case '}':
			continue;
		default:
			return;
		}
	}
}

static bool walk_value(struct walk *w, cJSON *v);

struct name_set {
	const cJSON **slots; /* NULL: compare pairwise */
	size_t mask;
};

static bool name_set_init(struct walk *w, struct name_set *set, size_t count)
{
	size_t cap = 2 * PAIRWISE_MAX;
	*set = (struct name_set){ 0 };
	if (count <= PAIRWISE_MAX) return true;
	while (cap < 2 * count) cap *= 2;
	set->slots = arena_array(w->arena, cap, sizeof *set->slots);
	set->mask = cap - 1;
	return set->slots || walk_fail(w, ERR_MEMORY, "memory", w->at);
}

/* False when an earlier member of `object` has the name of `member`. */
static bool name_set_add(struct name_set *set, const cJSON *object, const cJSON *member)
{
	if (!set->slots) {
		for (const cJSON *m = object->child; m != member; m = m->next)
			if (strcmp(m->string, member->string) == 0) return false;
		return true;
	}
	size_t i = id_hash(str_of(member->string)) & set->mask;
	for (; set->slots[i]; i = (i + 1) & set->mask)
		if (strcmp(set->slots[i]->string, member->string) == 0) return false;
	set->slots[i] = member;
	return true;
}

static int count_children(const cJSON *v)
{
	int n = 0;
	for (const cJSON *c = v->child; c; c = c->next) n++;
	return n;
}

static bool walk_object(struct walk *w, cJSON *v)
{
	struct name_set names;
	v->valueint = count_children(v);
	if (!name_set_init(w, &names, (size_t)v->valueint)) return false;
	for (cJSON *m = v->child; m; m = m->next) {
		next_token(w);
		if (!name_set_add(&names, v, m)) return walk_fail(w, ERR_JSON_DUPLICATE_KEY, "duplicate-key", w->at);
		w->at = json_scan_string_end(w->text, w->at);
		if (!walk_value(w, m)) return false;
	}
	return true;
}

static bool walk_array(struct walk *w, cJSON *v)
{
	v->valueint = count_children(v);
	for (cJSON *item = v->child; item; item = item->next)
		if (!walk_value(w, item)) return false;
	return true;
}

static bool walk_number(struct walk *w, cJSON *v)
{
	size_t start = w->at;
	while (w->at < w->text.n && json_is_number_byte(w->text.p[w->at])) w->at++;
	if (!isfinite(v->valuedouble)) return walk_fail(w, ERR_MALFORMED_JSON, "number", start);
	char *literal = arena_alloc(w->arena, w->at - start + 1);
	if (!literal) return walk_fail(w, ERR_MEMORY, "memory", start);
	memcpy(literal, w->text.p + start, w->at - start);
	v->valuestring = literal;
	v->valueint = (int)(w->at - start);
	return true;
}

static bool walk_value(struct walk *w, cJSON *v)
{
	switch (v->type & 0xff) {
	case cJSON_Object:
		return walk_object(w, v);
	case cJSON_Array:
		return walk_array(w, v);
	default:
		break;
	}
	next_token(w);
	switch (v->type & 0xff) {
	case cJSON_Number:
		return walk_number(w, v);
	case cJSON_String:
		w->at = json_scan_string_end(w->text, w->at);
		v->valueint = (int)strlen(v->valuestring);
		return true;
	case cJSON_False:
		w->at += 5;
		return true;
	default:
		w->at += 4;
		return true;
	}
}

enum err json_read(
    struct arena *a, struct str text, unsigned depth_max, const struct json **out, struct json_error *error)
{
	static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;
	struct json_error unused;
	if (!error) error = &unused;
	CHECK(depth_max <= JSON_DEPTH_LIMIT);
	*error = (struct json_error){ 0 };
	*out = NULL;
	TRY(json_scan(text, depth_max, error));
	pthread_once(&hooks_once, set_hooks);
	parsing = a;
	cJSON *root = cJSON_ParseWithLengthOpts(text.p, text.n, NULL, false);
	parsing = NULL;
	if (!root) { /* the scan found nothing wrong, so it can only be the arena */
		*error = (struct json_error){ .code = "memory" };
		return ERR_MEMORY;
	}
	struct walk w = { .arena = a, .text = text, .error = error };
	if (!walk_value(&w, root)) return w.err;
	*out = json_of(root);
	return ERR_NONE;
}
