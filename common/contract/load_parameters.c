/* The parameters of an operation: those of its path item and its own, path parameters first in the order of the template. */
#include "common/contract/load.h"

enum { PARAMETERS_MAX = 64 };

struct declared {
	struct located at;
	struct str name;
	enum parameter_in in;
	bool used;
};

struct declarations {
	struct declared at[PARAMETERS_MAX];
	unsigned count;
};

static bool parse_in(struct str text, enum parameter_in *in)
{
	*in = str_eq(text, STR("path")) ? IN_PATH : str_eq(text, STR("query")) ? IN_QUERY : IN_HEADER;
	return *in != IN_HEADER || str_eq(text, STR("header"));
}

static void declare(struct loader *l, const struct document *in, const struct json *list, struct declarations *d)
{
	static const char *const keys[] = { "name", "in", "description", "required", "schema", "example", "examples",
		"deprecated", "style", "explode", NULL };
	for (const struct json *m = list ? json_first(list) : NULL; m; m = json_next(m)) {
		struct declared p = { .at = load_resolve(l, in, m) };
		if (!p.at.node) continue;
		load_check_keys(l, p.at.in, p.at.node, "parameter", keys);
		const struct json *name = load_member(l, p.at.in, p.at.node, "name", JSON_STRING, true);
		const struct json *where = load_member(l, p.at.in, p.at.node, "in", JSON_STRING, true);
		if (!name || !where) continue;
		p.name = json_string(name);
		if (!parse_in(json_string(where), &p.in)) {
			load_fault(l, p.at.in->root, where, "a parameter is in path, query or header");
			continue;
		}
		unsigned i = 0; /* an operation's own parameter replaces that of the path */
		while (i < d->count && !(d->at[i].in == p.in && str_eq(d->at[i].name, p.name))) i++;
		if (i == PARAMETERS_MAX) {
			load_fault(l, in->root, list, "has too many parameters");
			return;
		}
		d->at[i] = p;
		if (i == d->count) d->count++;
	}
}

static struct str lower_case(struct arena *a, struct str s)
{
	struct str copy = arena_str(a, s);
	char *p = (char *)(uintptr_t)copy.p;
	for (size_t i = 0; i < copy.n; i++)
		if (p[i] >= 'A' && p[i] <= 'Z') p[i] = (char)(p[i] + 32);
	return copy;
}

static struct str bind_name(struct arena *a, enum parameter_in in, struct str name)
{
	static const char *const places[] = { [IN_PATH] = "path", [IN_QUERY] = "query", [IN_HEADER] = "header" };
	struct str bind = arena_printf(a, "%s.%.*s", places[in], STR_FMT(name));
	char *p = (char *)(uintptr_t)bind.p;
	for (size_t i = 0; i < bind.n; i++)
		if (p[i] == '-') p[i] = '_';
	return bind;
}

/* `default`, here or behind a reference, as the text that a request would send. */
static void take_default(struct loader *l, const struct located *at, struct parameter *p)
{
	const struct json *v = NULL;
	struct arena scratch;
	struct violations wrong;
	for (const struct schema *s = p->schema; s && !v; s = s->ref) v = json_get(s->node, STR("default"));
	if (!v) return;
	p->fallback = json_type(v) == JSON_STRING   ? json_string(v)
		      : json_type(v) == JSON_NUMBER ? json_number(v)
						    : STR_NONE;
	if (json_type(v) == JSON_BOOL) p->fallback = json_bool(v) ? STR("true") : STR("false");
	if (p->required)
		load_fault(
		    l, at->in->root, at->node, "parameter %.*s is required, so a default has no use", STR_FMT(p->name));
	arena_init(&scratch, 4096, 1 << 20);
	violations_init(&wrong, &scratch);
	if (!p->fallback.p || !schema_validate_text(p->schema, p->fallback, p->bind, &wrong))
		load_fault(l, at->in->root, at->node, "the default of parameter %.*s does not keep its schema",
		    STR_FMT(p->name));
	arena_release(&scratch);
}

static bool is_header_name(struct str s)
{
	static const char *const ours[] = { "accept", "content-type", "authorization", "host", "content-length",
		"transfer-encoding" };
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq_ci(s, str_of(ours[i]))) return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = (char)(s.p[i] | 32);
		if (!((c >= 'a' && c <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-')) return false;
	}
	return s.n > 0;
}

static void check_form(struct loader *l, const struct located *at, const struct parameter *p)
{
	const struct json *style = json_get(at->node, STR("style"));
	bool list = schema_types(p->schema) & TYPE_ARRAY;
	if (style && !str_eq(json_string(style), p->in == IN_QUERY ? STR("form") : STR("simple")))
		load_fault(
		    l, at->in->root, style, "parameter %.*s has a style that is not supported", STR_FMT(p->name));
	if (list && p->in == IN_QUERY && json_get_bool(at->node, "explode", true))
		load_fault(l, at->in->root, at->node, "parameter %.*s is a list: say explode: false (a,b,c)",
		    STR_FMT(p->name));
	if (schema_types(p->schema) & TYPE_OBJECT)
		load_fault(l, at->in->root, at->node, "parameter %.*s must not be an object", STR_FMT(p->name));
}

static void add_parameter(struct loader *l, struct parameter *p, const struct declared *d, unsigned segment)
{
	const struct json *required = load_member(l, d->at.in, d->at.node, "required", JSON_BOOL, false);
	const struct json *schema = json_get(d->at.node, STR("schema"));
	bool good_name = d->in == IN_HEADER ? is_header_name(d->name) : load_is_snake_case(d->name);
	*p = (struct parameter){ .in = d->in, .segment = segment, .required = required && json_bool(required) };
	p->name = d->in == IN_HEADER ? lower_case(l->boot, d->name) : d->name;
	p->bind = bind_name(l->boot, d->in, p->name);
	if (!good_name)
		load_fault(l, d->at.in->root, d->at.node, "parameter name %.*s is not allowed", STR_FMT(d->name));
	if (d->in == IN_PATH && !p->required)
		load_fault(l, d->at.in->root, d->at.node, "path parameter %.*s must be required", STR_FMT(d->name));
	if (!schema) load_fault(l, d->at.in->root, d->at.node, "parameter %.*s has no schema", STR_FMT(d->name));
	p->schema = schema ? schema_compiler_add(&l->compiler, d->at.in->root, schema) : NULL;
	struct pending_parameter *later = ARENA_NEW(l->boot, struct pending_parameter);
	if (!later || !p->schema) return;
	*later = (struct pending_parameter){ .next = l->pending, .parameter = p, .at = d->at };
	l->pending = later;
}

void load_check_parameters(struct loader *l)
{
	for (struct pending_parameter *later = l->pending; later; later = later->next) {
		check_form(l, &later->at, later->parameter);
		take_default(l, &later->at, later->parameter);
	}
}

static void take_path_parameters(
    struct loader *l, const struct document *in, struct operation *op, struct declarations *d, struct parameter *out)
{
	struct str rest = str_from(op->path, 1), segment;
	for (unsigned index = 0; str_cut(&rest, '/', &segment); index++) {
		if (segment.n < 2 || segment.p[0] != '{') continue;
		struct str name = str_span(segment.p + 1, segment.n - 2);
		unsigned i = 0;
		while (i < d->count && !(d->at[i].in == IN_PATH && str_eq(d->at[i].name, name))) i++;
		if (i == d->count) {
			load_fault(l, in->root, op->node, "path parameter {%.*s} is not declared", STR_FMT(name));
			continue;
		}
		if (d->at[i].used)
			load_fault(
			    l, in->root, op->node, "path parameter {%.*s} stands twice in the path", STR_FMT(name));
		d->at[i].used = true;
		add_parameter(l, &out[op->parameter_count++], &d->at[i], index);
	}
}

void load_parameters(struct loader *l, const struct document *in, struct operation *op, const struct json *path_item)
{
	struct declarations d = { .count = 0 };
	declare(l, in, load_member(l, in, path_item, "parameters", JSON_ARRAY, false), &d);
	declare(l, in, load_member(l, in, op->node, "parameters", JSON_ARRAY, false), &d);
	struct parameter *out = arena_array(l->boot, PATH_PARAMETERS_MAX + d.count + 1, sizeof *out);
	if (!out) return;
	op->parameters = out;
	take_path_parameters(l, in, op, &d, out);
	for (unsigned i = 0; i < d.count; i++) {
		if (d.at[i].used) continue;
		if (d.at[i].in == IN_PATH)
			load_fault(l, d.at[i].at.in->root, d.at[i].at.node, "path parameter %.*s is not in the path",
			    STR_FMT(d.at[i].name));
		else
			add_parameter(l, &out[op->parameter_count++], &d.at[i], 0);
	}
	for (unsigned i = 0; i < op->parameter_count; i++)
		if (contract_parameter_index(op, out[i].bind) != (int)i)
			load_fault(l, in->root, op->node, "two parameters have the name %.*s", STR_FMT(out[i].bind));
}
