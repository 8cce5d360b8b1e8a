/* YAML to JSON tree over libyaml's events. What YAML has beyond JSON (references, tags, octal numbers, merge keys) is refused:
 * a contract must read the same to everybody. */
#include "common/contract/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "common/core/map.h"
#include "common/json/decimal.h"

enum { SCRATCH_FIRST_BYTES = 64 * 1024, SCRATCH_BYTES_MAX = 64 << 20 };

struct reader {
	yaml_parser_t parser;
	struct arena *nodes;
	struct arena *texts;
	struct arena scratch; /* the keys of every mapping, to find those that stand twice */
	struct map keys; /* text → its one copy in `texts`: a contract has few different ones */
	const char *name;
	struct buf *report;
	bool failed;
};

PRINTF_LIKE(3, 4) static struct json *fail(struct reader *r, size_t line, const char *fmt, ...)
{
	char text[300];
	va_list args;
	if (r->failed) return NULL; /* the first fault of a file: others would follow from it */
	r->failed = true;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	buf_printf(r->report, "%s:%zu: %s\n", r->name, line, text);
	return NULL;
}

static bool next_event(struct reader *r, yaml_event_t *event)
{
	if (r->failed) return false;
	if (yaml_parser_parse(&r->parser, event)) return true;
	const char *problem = r->parser.problem ? r->parser.problem : "cannot be read";
	fail(r, r->parser.problem_mark.line + 1, "YAML: %s", problem);
	return false;
}

static struct str scalar_text(const yaml_event_t *e)
{
	return str_span((const char *)e->data.scalar.value, e->data.scalar.length);
}

/* "1.5" and "-3", but also what only YAML takes for numbers: +1, 0x1F, 0o17, .5, 1., 012, .inf, .nan. */
static bool looks_like_number(struct str s)
{
	static const struct str words[] = { STR(".inf"), STR(".Inf"), STR(".INF"), STR(".nan"), STR(".NaN"),
		STR(".NAN") };
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+'), digits = 0;
	for (size_t w = 0; w < ARRAY_LEN(words); w++)
		if (str_eq(str_from(s, i), words[w])) return true;
	if (s.n - i > 2 && s.p[i] == '0' && (s.p[i + 1] == 'x' || s.p[i + 1] == 'o')) {
		for (i += 2; i < s.n; i++)
			if (!((s.p[i] >= '0' && s.p[i] <= '9') || ((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'f')))
				return false;
		return true;
	}
	for (; i < s.n && ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.'); i++) digits += s.p[i] != '.';
	if (digits == 0) return false;
	if (i < s.n && (s.p[i] | 32) == 'e') {
		i++;
		if (i < s.n && (s.p[i] == '-' || s.p[i] == '+')) i++;
		size_t start = i;
		while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9') i++;
		if (i == start) return false;
	}
	struct str head = s;
	head.n = i;
	bool several_dots =
	    str_index(head, '.') >= 0 && str_index(str_from(head, (size_t)str_index(head, '.') + 1), '.') >= 0;
	return i == s.n && !several_dots; /* 1.2.3 is text */
}

static struct json *plain_scalar(struct reader *r, struct str s, size_t line)
{
	static const struct str nulls[] = { STR(""), STR("~"), STR("null"), STR("Null"), STR("NULL") };
	static const struct str yes[] = { STR("true"), STR("True"), STR("TRUE") },
				no[] = { STR("false"), STR("False"), STR("FALSE") };
	struct decimal d;
	for (size_t i = 0; i < ARRAY_LEN(nulls); i++)
		if (str_eq(s, nulls[i])) return json_new_null(r->nodes);
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (str_eq(s, yes[i]) || str_eq(s, no[i])) return json_new_bool(r->nodes, str_eq(s, yes[i]));
	if (decimal_parse(s, &d)) return json_new_number_apart(r->nodes, r->texts, s);
	if (looks_like_number(s)) return fail(r, line, "write %.*s as JSON writes numbers, or quote it", STR_FMT(s));
	return json_new_string_apart(r->nodes, r->texts, s);
}

static struct json *read_scalar(struct reader *r, const yaml_event_t *e, size_t line)
{
	struct str s = scalar_text(e);
	if (s.n && memchr(s.p, 0, s.n)) return fail(r, line, "text has a NUL");
	return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(r, s, line)
							       : json_new_string_apart(r->nodes, r->texts, s);
}

static struct json *read_value(struct reader *r, const yaml_event_t *e, unsigned depth);

static struct json *read_sequence(struct reader *r, unsigned depth)
{
	struct json *list = json_new_array(r->nodes);
	yaml_event_t e;
	while (next_event(r, &e)) {
		bool end = e.type == YAML_SEQUENCE_END_EVENT;
		if (!end) json_append(list, read_value(r, &e, depth));
		yaml_event_delete(&e);
		if (end) return list;
	}
	return NULL;
}

/* The one copy of a key's text; NULL when the memory is full. */
static char *keep_key(struct reader *r, struct str key)
{
	char *kept = map_get(&r->keys, key);
	if (kept) return kept;
	kept = arena_alloc(r->texts, key.n + 1);
	if (!kept) return NULL;
	memcpy(kept, key.p, key.n);
	return map_set(&r->keys, str_span(kept, key.n), kept) ? kept : NULL;
}

/* The key's text, absent when it is none that we take. */
static struct str read_key(struct reader *r, const yaml_event_t *e, const struct map *seen)
{
	size_t line = e->start_mark.line + 1;
	if (e->type != YAML_SCALAR_EVENT) {
		fail(r, line, "keys must be plain text");
		return STR_NONE;
	}
	struct str key = scalar_text(e);
	if (e->data.scalar.anchor || e->data.scalar.tag)
		fail(r, line, "anchors and tags are not allowed");
	else if (key.n == 0 || memchr(key.p, 0, key.n))
		fail(r, line, "a key must not be empty");
	else if (str_eq(key, STR("<<")))
		fail(r, line, "merge keys are not allowed");
	else if (map_get(seen, key))
		fail(r, line, "duplicate key %.*s", STR_FMT(key));
	return r->failed ? STR_NONE : str_span(keep_key(r, key), key.n);
}

static struct json *read_mapping(struct reader *r, unsigned depth)
{
	struct json *object = json_new_object(r->nodes);
	struct map seen;
	yaml_event_t e;
	map_init(&seen, &r->scratch);
	while (next_event(r, &e)) {
		bool end = e.type == YAML_MAPPING_END_EVENT;
		struct str key = end ? STR_NONE : read_key(r, &e, &seen);
		yaml_event_delete(&e);
		if (end) return object;
		if (!key.p || !map_set(&seen, key, object)) return NULL;
		if (!next_event(r, &e)) return NULL;
		json_add_named(object, keep_key(r, key), read_value(r, &e, depth));
		yaml_event_delete(&e);
	}
	return NULL;
}

static struct json *read_value(struct reader *r, const yaml_event_t *e, unsigned depth)
{
	size_t line = e->start_mark.line + 1;
	struct json *v = NULL;
	bool marked = false;
	if (e->type == YAML_SCALAR_EVENT) marked = e->data.scalar.anchor || e->data.scalar.tag;
	if (e->type == YAML_SEQUENCE_START_EVENT) marked = e->data.sequence_start.anchor || e->data.sequence_start.tag;
	if (e->type == YAML_MAPPING_START_EVENT) marked = e->data.mapping_start.anchor || e->data.mapping_start.tag;
	if (marked) return fail(r, line, "anchors and tags are not allowed");
	if (e->type == YAML_ALIAS_EVENT) return fail(r, line, "aliases are not allowed");
	if (e->type == YAML_SCALAR_EVENT)
		v = read_scalar(r, e, line);
	else if (depth == 0)
		return fail(r, line, "is nested too deeply");
	else if (e->type == YAML_SEQUENCE_START_EVENT)
		v = read_sequence(r, depth - 1);
	else if (e->type == YAML_MAPPING_START_EVENT)
		v = read_mapping(r, depth - 1);
	else
		return fail(r, line, "YAML: unexpected end");
	json_set_line(v, (unsigned)line);
	if (!v) fail(r, line, "does not fit the memory");
	return v;
}

/* Stream start, document start, value, document end, stream end. */
static struct json *read_document(struct reader *r)
{
	static const yaml_event_type_t before[] = { YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT };
	static const yaml_event_type_t after[] = { YAML_DOCUMENT_END_EVENT, YAML_STREAM_END_EVENT };
	struct json *root = NULL;
	yaml_event_t e;
	for (size_t i = 0; i < 5; i++) {
		if (!next_event(r, &e)) return NULL;
		size_t line = e.start_mark.line + 1;
		yaml_event_type_t want = i < 2 ? before[i] : i > 2 ? after[i - 3] : e.type;
		if (e.type != want)
			fail(r, line, "%s", i < 2 ? "the file is empty" : "must be one document only");
		else if (i == 2)
			root = read_value(r, &e, JSON_DEPTH_MAX);
		yaml_event_delete(&e);
	}
	return r->failed ? NULL : root;
}

enum err yaml_read(struct arena *boot, struct str text, const char *name, const struct json **out, struct buf *report)
{
	return yaml_read_apart(boot, boot, text, name, out, report);
}

enum err yaml_read_apart(struct arena *nodes, struct arena *boot, struct str text, const char *name,
    const struct json **out, struct buf *report)
{
	struct reader r = { .nodes = nodes, .texts = boot, .name = name, .report = report };
	*out = NULL;
	if (str_starts(text, STR("\xef\xbb\xbf"))) {
		fail(&r, 1, "must not begin with a byte order mark");
		return ERR_CONFIG;
	}
	CHECK(yaml_parser_initialize(&r.parser));
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
	arena_init(&r.scratch, SCRATCH_FIRST_BYTES, SCRATCH_BYTES_MAX);
	map_init(&r.keys, &r.scratch);
	*out = read_document(&r);
	arena_release(&r.scratch);
	yaml_parser_delete(&r.parser);
	return *out ? ERR_NONE : ERR_CONFIG;
}

void yaml_fault(struct yaml_faults *f, const struct json *at, const char *fmt, ...)
{
	char text[300];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	f->count++;
	buf_printf(f->report, "%s:%u: %s\n", f->file, at && json_line(at) ? json_line(at) : 1, text);
}
