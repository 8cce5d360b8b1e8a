/* Shared by the parts of the loader: faults with file and line, references, and members of the expected type. */
#include "common/contract/load.h"

#include <stdarg.h>
#include <stdio.h>

enum { REFERENCES_MAX = 8 };

/* The line of `node`, or that of the nearest value around it that has one; 0 when it is not below `at`. */
static unsigned find_line(const struct json *at, const struct json *node, unsigned around)
{
	unsigned own = json_line(at) ? json_line(at) : around;
	if (at == node) return own ? own : 1;
	for (const struct json *m = json_first(at); m; m = json_next(m)) {
		unsigned line = find_line(m, node, own);
		if (line) return line;
	}
	return 0;
}

void load_fault(struct loader *l, const struct json *root, const struct json *node, const char *fmt, ...)
{
	char text[512];
	const struct document *d = l->documents;
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	while (d && d->root != root) d = d->next;
	l->faults++;
	buf_printf(
	    l->report, "%.*s:%u: %s\n", STR_FMT(d ? d->file : STR("?")), node ? find_line(root, node, 0) : 1, text);
}

void load_check_keys(struct loader *l, const struct document *in, const struct json *object, const char *what,
    const char *const *allowed)
{
	if (json_type(object) != JSON_OBJECT) {
		load_fault(l, in->root, object, "%s must be an object", what);
		return;
	}
	for (const struct json *m = json_first(object); m; m = json_next(m)) {
		unsigned i = 0;
		while (allowed[i] && !str_eq(json_key(m), str_of(allowed[i]))) i++;
		if (!allowed[i]) load_fault(l, in->root, m, "%s has an unknown key %.*s", what, STR_FMT(json_key(m)));
	}
}

const struct json *load_find_document(void *loader, struct str file)
{
	const struct loader *l = loader;
	for (const struct document *d = l->documents; d; d = d->next)
		if (str_eq(d->file, file)) return d->root;
	return NULL;
}

static const struct document *document_of(const struct loader *l, const struct json *root)
{
	const struct document *d = l->documents;
	while (d && d->root != root) d = d->next;
	return d;
}

struct located load_resolve(struct loader *l, const struct document *in, const struct json *node)
{
	struct located at = { in, node };
	for (unsigned hops = 0; at.node; hops++) {
		const struct json *ref = json_get(at.node, STR("$ref"));
		if (!ref) return at;
		struct str text = json_string(ref), file = text;
		ptrdiff_t hash = str_index(text, '#');
		if (hash >= 0) file.n = (size_t)hash;
		const struct json *root = hash == 0 ? at.in->root : load_find_document(l, file);
		const struct json *target =
		    root && hash >= 0 ? json_pointer(root, str_from(text, (size_t)hash + 1)) : NULL;
		if (!target || hops == REFERENCES_MAX) {
			load_fault(l, at.in->root, ref, "$ref \"%.*s\" leads nowhere", STR_FMT(text));
			target = NULL;
		}
		at = (struct located){ target ? document_of(l, root) : at.in, target };
	}
	return at;
}

bool load_is_snake_case(struct str s)
{
	if (s.n == 0 || s.n > 63 || s.p[0] < 'a' || s.p[0] > 'z') return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '_'))
			return false;
	return true;
}

const struct json *load_member(struct loader *l, const struct document *in, const struct json *object, const char *name,
    enum json_type type, bool must)
{
	static const char *const names[] = { [JSON_NULL] = "null",
		[JSON_BOOL] = "true or false",
		[JSON_NUMBER] = "a number",
		[JSON_STRING] = "text",
		[JSON_ARRAY] = "a list",
		[JSON_OBJECT] = "an object" };
	const struct json *v = json_get(object, str_of(name));
	if (v && json_type(v) == type) return v;
	if (v)
		load_fault(l, in->root, v, "%s must be %s", name, names[type]);
	else if (must)
		load_fault(l, in->root, object, "%s is missing", name);
	return NULL;
}

const struct str *load_strings(struct loader *l, const struct document *in, const struct json *list, unsigned *count)
{
	struct str *out = arena_array(l->boot, json_count(list) + 1, sizeof *out);
	*count = 0;
	for (const struct json *m = json_first(list); m && out; m = json_next(m)) {
		if (json_type(m) == JSON_STRING && json_string(m).n)
			out[(*count)++] = json_string(m);
		else
			load_fault(l, in->root, list, "%.*s must be a list of texts", STR_FMT(json_key(list)));
	}
	return out;
}
