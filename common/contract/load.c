/* contract_load: reads the files, puts their parts together and gives out a whole contract or a report, never half of one. */
#include "common/contract/load.h"

#include <dirent.h>
#include <stdlib.h>

#include "common/contract/route.h"
#include "common/contract/yaml.h"
#include "common/core/config.h"

enum { FILES_MAX = 64, FILE_BYTES_MAX = 4 << 20, PASSING_FIRST_BYTES = 256 * 1024, PASSING_BYTES_MAX = 256 << 20 };

/* donations.yaml and donations.ledger.yaml are both of donations. */
static struct str service_of(struct str file)
{
	const char *dot = file.n ? memchr(file.p, '.', file.n) : NULL;
	return dot ? str_span(file.p, (size_t)(dot - file.p)) : file;
}

static void add_document(struct loader *l, const struct load_source *source)
{
	const struct json *root;
	char name[128];
	struct document **at = &l->documents;
	size_t n = source->file.n < sizeof name - 1 ? source->file.n : sizeof name - 1;
	memcpy(name, source->file.p, n);
	name[n] = 0;
	struct arena *nodes = l->keeps_documents ? l->boot : &l->passing;
	if (yaml_read_apart(nodes, l->boot, source->text, name, &root, l->report) != ERR_NONE) {
		l->faults++;
		return;
	}
	struct document *d = ARENA_NEW(l->boot, struct document);
	if (!d) return;
	*d = (struct document){ .file = arena_str(l->boot, source->file), .root = root };
	d->service = service_of(d->file);
	while (*at) at = &(*at)->next;
	*at = d;
}

static void check_info(struct loader *l, const struct document *d)
{
	static const char *const keys[] = { "openapi", "info", "servers", "tags", "paths", "components", "x-problems",
		"x-audiences", NULL };
	static const char *const component_keys[] = { "schemas", "parameters", "responses", "requestBodies", "headers",
		"examples", "securitySchemes", NULL };
	load_check_keys(l, d, d->root, "document", keys);
	const struct json *version = load_member(l, d, d->root, "openapi", JSON_STRING, true);
	if (version && !str_starts(json_string(version), STR("3.1.")))
		load_fault(l, d->root, version, "openapi must be 3.1");
	load_member(l, d, d->root, "info", JSON_OBJECT, true);
	const struct json *components = load_member(l, d, d->root, "components", JSON_OBJECT, false);
	if (components) load_check_keys(l, d, components, "components", component_keys);
}

static void load_schemas(struct loader *l, const struct document *d)
{
	const struct json *components = json_get(d->root, STR("components"));
	const struct json *schemas = components ? load_member(l, d, components, "schemas", JSON_OBJECT, false) : NULL;
	for (const struct json *m = schemas ? json_first(schemas) : NULL; m; m = json_next(m)) {
		struct str name = json_key(m);
		if (map_get(&l->contract->schemas, name))
			load_fault(l, d->root, m, "schema %.*s is given in two files", STR_FMT(name));
		else if (!map_set(&l->contract->schemas, name, (void *)(uintptr_t)m))
			load_fault(l, d->root, m, "no memory left");
		(void)schema_compiler_add(&l->compiler, d->root, m);
	}
}

static void note_schema_fault(void *arg, const struct json *root, const struct json *node, struct str text)
{
	load_fault(arg, root, node, "%.*s", STR_FMT(text));
}

/* What needs whole schemas: policies that look into them, and the profile. */
static void check_profile(struct loader *l)
{
	load_check_parameters(l);
	for (unsigned i = 0; i < l->operation_count; i++) {
		const struct operation *op = &l->operations[i];
		load_check_policy(l, l->operations_in[i], op);
		for (unsigned k = 0; k < op->parameter_count; k++)
			load_profile(l, op->parameters[k].schema, PROFILE_REQUEST);
		load_profile(l, op->body, PROFILE_REQUEST);
	}
	for (const struct schema *s = l->compiler.all; s; s = s->next) load_profile(l, s, PROFILE_ANY);
}

/* Trees in documents hang below a new object; a node has one place only, so the root's children move there. */
static const struct json *gather_documents(struct loader *l)
{
	struct json *all = json_new_object(l->boot);
	for (const struct document *d = l->documents; d; d = d->next)
		json_add(l->boot, all, d->file, (struct json *)(uintptr_t)d->root);
	return all;
}

static bool start(struct loader *l)
{
	struct contract *c = l->contract = ARENA_NEW(l->boot, struct contract);
	size_t operations = 1;
	for (const struct document *d = l->documents; d; d = d->next) operations += load_count_operations(d);
	l->operations = arena_array(l->boot, operations, sizeof *l->operations);
	l->operations_in = arena_array(&l->passing, operations, sizeof *l->operations_in);
	if (!c || !l->operations || !l->operations_in) return false;
	map_init(&c->operations_by_id, l->boot);
	map_init(&c->problems, l->boot);
	map_init(&c->audiences, l->boot);
	map_init(&c->schemas, l->boot);
	map_init(&l->profiled[PROFILE_ANY], &l->passing);
	map_init(&l->profiled[PROFILE_REQUEST], &l->passing);
	map_init(&l->problem_sources, &l->passing);
	c->operations = l->operations;
	c->routes = route_table_new(l->boot);
	schema_compiler_init(&l->compiler, l->boot, &l->passing);
	l->compiler.copies = !l->keeps_documents;
	l->compiler.resolve = load_find_document;
	l->compiler.resolve_arg = l;
	l->compiler.fault = note_schema_fault;
	l->compiler.fault_arg = l;
	return c->routes != NULL;
}

/* Nothing may point into what is about to go. */
static void forget_documents(struct loader *l)
{
	map_init(&l->contract->schemas, l->boot);
	for (unsigned i = 0; i < l->operation_count; i++) l->operations[i].node = NULL;
	for (struct schema *s = l->compiler.all; s; s = s->next) s->node = s->root = NULL;
}

static enum err load_all(struct loader *l, const struct load_source *sources, unsigned count)
{
	for (unsigned i = 0; i < count; i++) add_document(l, &sources[i]);
	if (!start(l)) return ERR_MEMORY;
	for (const struct document *d = l->documents; d; d = d->next) {
		check_info(l, d);
		load_schemas(l, d);
		load_problems(l, d);
		load_audiences(l, d);
		load_paths(l, d);
	}
	schema_compiler_finish(&l->compiler);
	if (l->compiler.faults == 0) check_profile(l);
	if (l->boot->overflow || l->passing.overflow) return ERR_MEMORY;
	if (l->faults || route_table_finish(l->contract->routes) != ERR_NONE) return ERR_CONFIG;
	l->contract->operation_count = l->operation_count;
	if (l->keeps_documents)
		l->contract->documents = gather_documents(l);
	else
		forget_documents(l);
	return l->boot->overflow ? ERR_MEMORY : ERR_NONE;
}

static enum err load_sources(struct arena *boot, bool keeps_documents, const struct load_source *sources,
    unsigned count, const struct contract **out, struct buf *report)
{
	struct loader l = { .boot = boot, .keeps_documents = keeps_documents, .report = report };
	arena_init(&l.passing, PASSING_FIRST_BYTES, PASSING_BYTES_MAX);
	enum err e = load_all(&l, sources, count);
	*out = e == ERR_NONE ? l.contract : NULL;
	arena_release(&l.passing);
	return e;
}

enum err contract_load_sources(struct arena *boot, const struct load_source *sources, unsigned count,
    const struct contract **out, struct buf *report)
{
	return load_sources(boot, true, sources, count, out, report);
}

struct file_list {
	struct load_source at[FILES_MAX];
	unsigned count;
};

static bool list_file(
    struct arena *texts, const char *dir, struct str name, struct file_list *files, struct buf *report)
{
	struct load_source *s = &files->at[files->count];
	if (files->count == FILES_MAX) {
		buf_printf(report, "%s: more than %d contracts\n", dir, FILES_MAX);
		return false;
	}
	struct str path = arena_printf(texts, "%s/%.*s", dir, STR_FMT(name));
	s->file = arena_str(texts, name);
	if (!path.p || config_read_file(texts, path.p, FILE_BYTES_MAX, &s->text) != ERR_NONE) {
		buf_printf(report, "%s/%.*s:1: cannot be read\n", dir, STR_FMT(name));
		return false;
	}
	files->count++;
	return true;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct load_source *)a)->file, ((const struct load_source *)b)->file);
}

/* The contracts of one service, or of all when it is empty. */
static bool list_folder(
    struct arena *texts, const char *dir, struct str service, struct file_list *files, struct buf *report)
{
	bool ok = true;
	unsigned before = files->count;
	DIR *d = opendir(dir);
	if (!d) {
		buf_printf(report, "%s: cannot be opened\n", dir);
		return false;
	}
	for (struct dirent *e; ok && (e = readdir(d));) {
		struct str name = str_of(e->d_name);
		if (!str_ends(name, STR(".yaml")) || name.p[0] == '.' || str_eq(name, STR("common.yaml")) ||
		    str_eq(name, STR("policies.yaml")) || (service.n && !str_eq(service_of(name), service)))
			continue;
		ok = list_file(texts, dir, name, files, report);
	}
	closedir(d);
	qsort(files->at + before, files->count - before, sizeof files->at[0], by_name);
	if (service.n && files->count == before) {
		buf_printf(report, "%s/%.*s.yaml:1: cannot be read\n", dir, STR_FMT(service));
		return false;
	}
	return ok;
}

enum err contract_load(
    struct arena *boot, const char *dir, const char *const *services, const struct contract **out, struct buf *report)
{
	struct file_list files = { .count = 0 };
	struct arena texts; /* what is kept of them is copied */
	*out = NULL;
	arena_init(&texts, 64 * 1024, FILES_MAX * (size_t)FILE_BYTES_MAX);
	bool ok = list_file(&texts, dir, STR("common.yaml"), &files, report);
	for (unsigned i = 0; services && services[i]; i++)
		if (!list_folder(&texts, dir, str_of(services[i]), &files, report)) ok = false;
	if (!services && !list_folder(&texts, dir, STR(""), &files, report)) ok = false;
	enum err e = texts.overflow ? ERR_MEMORY : ok ? ERR_NONE : ERR_CONFIG;
	if (e == ERR_NONE) e = load_sources(boot, !services, files.at, files.count, out, report);
	arena_release(&texts);
	return e;
}
