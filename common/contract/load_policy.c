/* Who may call an operation and how it is treated: security and our x- keys; and x-problems of a document. */
#include "common/contract/load.h"

enum { BODY_BYTES_DEFAULT = 64 * 1024, BODY_BYTES_MOST = 64 * 1024 * 1024, CACHE_TTL_MOST_S = 86400 };

struct choice {
	const char *text;
	int value;
};

/* The value of a key that has a few, or `fallback`. */
static int choose(struct loader *l, const struct document *in, const struct operation *op, const char *key,
    const struct choice *choices, int fallback)
{
	const struct json *v = json_get(op->node, str_of(key));
	if (!v) return fallback;
	for (unsigned i = 0; choices[i].text; i++)
		if (str_eq(json_string(v), str_of(choices[i].text))) return choices[i].value;
	load_fault(l, in->root, v, "%s has a value that is not known", key);
	return fallback;
}

static struct str text_of(struct loader *l, const struct document *in, const struct operation *op, const char *key)
{
	const struct json *v = load_member(l, in, op->node, key, JSON_STRING, false);
	if (v && (json_string(v).n == 0 || json_string(v).n > 100))
		load_fault(l, in->root, v, "%s must have 1 to 100 bytes", key);
	return v ? json_string(v) : STR_NONE;
}

/* One alternative of security: { token: [scope, …] } or { signature: [scope, …] }. */
static const struct json *load_scheme(const struct json *alternative, unsigned *schemes)
{
	static const struct str names[] = { { "token", 5 }, { "signature", 9 } };
	static const unsigned bits[] = { SCHEME_TOKEN, SCHEME_SIGNATURE };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct json *scopes = json_get(alternative, names[i]);
		if (!scopes || json_count(alternative) != 1 || json_type(scopes) != JSON_ARRAY || *schemes & bits[i])
			continue;
		*schemes |= bits[i];
		return scopes;
	}
	return NULL;
}

static void load_security(struct loader *l, const struct document *in, struct operation *op)
{
	static const char *const forms =
	    "security must be [], or a list of {token: [scope, …]} and {signature: [scope, …]} "
	    "with the same scopes";
	static const struct choice accesses[] = { { "internal", ACCESS_INTERNAL }, { NULL, 0 } };
	const struct json *list = load_member(l, in, op->node, "security", JSON_ARRAY, true), *scopes = NULL;
	bool good = true;
	op->access = list && json_count(list) > 0 ? ACCESS_TOKEN : ACCESS_PUBLIC;
	for (const struct json *i = list ? json_first(list) : NULL; i && good; i = json_next(i)) {
		const struct json *here = load_scheme(i, &op->schemes);
		good = here && (!scopes || json_equal(here, scopes));
		scopes = here;
	}
	if (!good)
		load_fault(l, in->root, list, "%s", forms);
	else if (scopes)
		op->scopes = load_strings(l, in, scopes, &op->scope_count);
	load_check_audiences(l, in, op);
	op->access = (enum access)choose(l, in, op, "x-access", accesses, (int)op->access);
}

static void load_cache(struct loader *l, const struct document *in, struct operation *op)
{
	static const char *const keys[] = { "control", "ttl_s", "tags", "collapse", NULL };
	const struct json *cache = load_member(l, in, op->node, "x-cache", JSON_OBJECT, false);
	const struct json *purges = load_member(l, in, op->node, "x-purges", JSON_ARRAY, false);
	if (purges) op->purges = load_strings(l, in, purges, &op->purge_count);
	load_check_tags(l, in, op, "x-purges", op->purges, op->purge_count);
	if (!cache) return;
	load_check_keys(l, in, cache, "x-cache", keys);
	if (!str_eq(op->method, STR("GET"))) load_fault(l, in->root, cache, "x-cache is for GET only");
	const struct json *control = load_member(l, in, cache, "control", JSON_STRING, true);
	const struct json *tags = load_member(l, in, cache, "tags", JSON_ARRAY, false);
	const struct json *ttl = json_get(cache, STR("ttl_s"));
	if (control) op->cache_control = json_string(control);
	if (tags) op->cache_tags = load_strings(l, in, tags, &op->cache_tag_count);
	load_check_tags(l, in, op, "x-cache", op->cache_tags, op->cache_tag_count);
	const struct json *collapse = load_member(l, in, cache, "collapse", JSON_STRING, false);
	op->collapse_platform = collapse && str_eq(json_string(collapse), STR("platform"));
	if (collapse && !op->collapse_platform && !str_eq(json_string(collapse), STR("process")))
		load_fault(l, in->root, collapse, "collapse must be process or platform");
	if (ttl && (!json_int64(ttl, &op->cache_ttl_s) || op->cache_ttl_s < 0 || op->cache_ttl_s > CACHE_TTL_MOST_S))
		load_fault(l, in->root, cache, "ttl_s must be 0 to %d", CACHE_TTL_MOST_S);
}

static void load_body_limit(struct loader *l, const struct document *in, struct operation *op)
{
	const struct json *v = json_get(op->node, STR("x-body-bytes-max"));
	int64_t n = BODY_BYTES_DEFAULT;
	if (v && (!json_int64(v, &n) || n < 1 || n > BODY_BYTES_MOST))
		load_fault(l, in->root, op->node, "x-body-bytes-max must be 1 to %d", BODY_BYTES_MOST);
	op->body_bytes_max = (size_t)n;
}

void load_policy(struct loader *l, const struct document *in, struct operation *op)
{
	static const struct choice rows[] = { { "own", ROWS_OWN }, { "organization", ROWS_ORGANIZATION }, { NULL, 0 } };
	static const struct choice lanes[] = { { "shared", 0 }, { "exclusive", 1 }, { NULL, 0 } };
	static const struct choice idempotencies[] = { { "required", IDEMPOTENCY_REQUIRED },
		{ "optional", IDEMPOTENCY_OPTIONAL }, { NULL, 0 } };
	static const struct choice if_match[] = { { "required", 1 }, { NULL, 0 } };
	static const struct choice priorities[] = { { "critical", PRIORITY_CRITICAL }, { "normal", PRIORITY_NORMAL },
		{ "low", PRIORITY_LOW }, { NULL, 0 } };
	load_security(l, in, op);
	op->rows = (enum row_scope)choose(l, in, op, "x-rows", rows, ROWS_ALL);
	op->exclusive = choose(l, in, op, "x-lane", lanes, 0) != 0;
	op->idempotency = (enum idempotency)choose(l, in, op, "x-idempotency", idempotencies, IDEMPOTENCY_NONE);
	op->if_match_required = choose(l, in, op, "x-if-match", if_match, 0) != 0;
	op->priority = (enum priority)choose(l, in, op, "x-priority", priorities, PRIORITY_NORMAL);
	const struct json *page = load_member(l, in, op->node, "x-page", JSON_BOOL, false);
	op->list = page && json_bool(page);
	op->rate_policy = text_of(l, in, op, "x-rate-policy");
	op->event = text_of(l, in, op, "x-event");
	op->leaf = text_of(l, in, op, "x-log");
	load_cache(l, in, op);
	load_body_limit(l, in, op);
}

static void need_parameter(
    struct loader *l, const struct document *in, const struct operation *op, const char *bind, const char *key)
{
	if (contract_parameter_index(op, str_of(bind)) < 0)
		load_fault(l, in->root, op->node, "%s needs the parameter %s", key, bind);
}

/* Rules that concern several keys of one operation; schemas are compiled. */
void load_check_policy(struct loader *l, const struct document *in, const struct operation *op)
{
	bool get = str_eq(op->method, STR("GET"));
	if (op->rows != ROWS_ALL && op->access == ACCESS_PUBLIC)
		load_fault(l, in->root, op->node, "x-rows needs a caller: the operation is public");
	if (op->idempotency != IDEMPOTENCY_NONE) {
		if (get) load_fault(l, in->root, op->node, "x-idempotency is not for GET");
		need_parameter(l, in, op, "header.idempotency_key", "x-idempotency");
	}
	if (op->if_match_required) need_parameter(l, in, op, "header.if_match", "x-if-match");
	if ((op->event.p || op->leaf.p || op->purge_count) && get)
		load_fault(l, in->root, op->node, "x-event, x-log and x-purges are not for GET");
	if (!op->list) return;
	if (!get) load_fault(l, in->root, op->node, "x-page is for GET only");
	need_parameter(l, in, op, "query.limit", "x-page");
	need_parameter(l, in, op, "query.cursor", "x-page");
	const struct schema *s = op->success_schema;
	const struct schema *items = s ? schema_property(s, STR("items")) : NULL;
	bool whole = items && schema_kind(items) == KIND_ARRAY && schema_property(s, STR("next_cursor")) &&
		     schema_property(s, STR("has_more"));
	if (!whole) load_fault(l, in->root, op->node, "x-page answers items, next_cursor and has_more");
}

static bool is_slug(struct str s)
{
	if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-' || str_contains(s, STR("--"))) return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-'))
			return false;
	return true;
}

static void load_problem(struct loader *l, const struct document *in, const struct json *node)
{
	static const char *const keys[] = { "status", "title", NULL }, *const title_keys[] = { "zh", "en", NULL };
	struct str slug = json_key(node);
	const struct json *before = map_get(&l->problem_sources, slug);
	if (before && !json_equal(before, node))
		load_fault(l, in->root, node, "problem %.*s differs from that of another file", STR_FMT(slug));
	if (before) return;
	if (!is_slug(slug)) load_fault(l, in->root, node, "%.*s is no slug (kebab-case)", STR_FMT(slug));
	if (err_by_slug(slug) != ERR_NONE)
		load_fault(l, in->root, node, "problem %.*s is one of the platform's", STR_FMT(slug));
	load_check_keys(l, in, node, "problem", keys);
	const struct json *title = load_member(l, in, node, "title", JSON_OBJECT, true);
	if (title) load_check_keys(l, in, title, "title", title_keys);
	const struct json *zh = title ? load_member(l, in, title, "zh", JSON_STRING, true) : NULL;
	const struct json *en = title ? load_member(l, in, title, "en", JSON_STRING, true) : NULL;
	int64_t status = json_get_i64(node, "status", 0);
	if (status < 400 || status > 599) load_fault(l, in->root, node, "status must be 400 to 599");
	struct problem_type *p = ARENA_NEW(l->boot, struct problem_type);
	if (!p || !zh || !en) return;
	*p = (struct problem_type){ .slug = slug, .status = (int)status };
	p->title[LANGUAGE_ZH] = json_string(zh);
	p->title[LANGUAGE_EN] = json_string(en);
	if (!map_set(&l->contract->problems, slug, p) || !map_set(&l->problem_sources, slug, (void *)(uintptr_t)node))
		load_fault(l, in->root, node, "no memory left");
}

void load_problems(struct loader *l, const struct document *in)
{
	const struct json *problems = load_member(l, in, in->root, "x-problems", JSON_OBJECT, false);
	for (const struct json *m = problems ? json_first(problems) : NULL; m; m = json_next(m)) load_problem(l, in, m);
}
