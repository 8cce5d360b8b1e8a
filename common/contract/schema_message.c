/* What people read when a value is refused: pointers and sentences, in English and Chinese. */
#include "common/contract/schema_run.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/json/json_write.h"

enum { POINTER_BYTES_MAX = 1024, MESSAGE_BYTES_MAX = 512, LISTED_MAX = 12 };

static void put_escaped(struct buf *out, struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '~')
			BUF_LIT(out, "~0");
		else if (name.p[i] == '/')
			BUF_LIT(out, "~1");
		else
			buf_char(out, name.p[i]);
	}
}

static void put_pointer(struct buf *out, const struct path *path)
{
	if (!path->up) return;
	put_pointer(out, path->up);
	buf_char(out, '/');
	if (path->name.p)
		put_escaped(out, path->name);
	else
		buf_i64(out, (int64_t)path->index);
}

/* Cuts between code points. */
static struct str fit(struct str s)
{
	if (s.n < MESSAGE_BYTES_MAX) return s;
	for (s.n = MESSAGE_BYTES_MAX - 1; s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80;) s.n--;
	return s;
}

static bool add(struct run *run, const struct path *path, const char *code, struct str en, struct str zh)
{
	struct buf pointer;
	buf_init(&pointer, POINTER_BYTES_MAX);
	if (run->pointer.p) {
		buf_str(&pointer, run->pointer);
		put_pointer(&pointer, path);
	}
	struct str where = run->pointer.p ? (pointer.n ? buf_view(&pointer) : STR("")) : STR_NONE;
	violations_add(run->v, where, run->parameter, code, fit(en), fit(zh));
	buf_free(&pointer);
	return false;
}

bool run_fail(struct run *run, const struct path *path, const char *code, const char *en, const char *zh, ...)
{
	char text[2][MESSAGE_BYTES_MAX + 1];
	va_list args, again;
	if (run->quiet) return false;
	if (run->v->count >= VIOLATIONS_MAX) {
		run->v->count++;
		return false;
	}
	va_start(args, zh);
	va_copy(again, args);
	vsnprintf(text[0], sizeof text[0], en, args);
	vsnprintf(text[1], sizeof text[1], zh, again);
	va_end(again);
	va_end(args);
	return add(run, path, code, str_of(text[0]), str_of(text[1]));
}

bool run_fail_type(struct run *run, const struct path *path, unsigned types)
{
	static const struct {
		unsigned bit;
		const char *en, *zh;
	} names[] = { { TYPE_STRING, "a string", "字符串" }, { TYPE_INTEGER, "a whole number", "整数" },
		{ TYPE_NUMBER, "a number", "数字" }, { TYPE_BOOL, "true or false", "布尔值" },
		{ TYPE_ARRAY, "a list", "数组" }, { TYPE_OBJECT, "an object", "对象" }, { TYPE_NULL, "null", "null" } };
	char en[160] = "must be ", zh[160] = "必须是";
	size_t n0 = strlen(en), m0 = strlen(zh), n = n0, m = m0;
	if (run->quiet) return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(types & names[i].bit)) continue;
		n += (size_t)snprintf(en + n, sizeof en - n, "%s%s", n > n0 ? " or " : "", names[i].en);
		m += (size_t)snprintf(zh + m, sizeof zh - m, "%s%s", m > m0 ? "或" : "", names[i].zh);
	}
	return add(run, path, "type", str_of(en), str_of(zh));
}

bool run_fail_format(struct run *run, const struct path *path, const struct schema_format *f)
{
	return run->quiet ? false : add(run, path, "format", str_of(f->en), str_of(f->zh));
}

bool run_fail_enum(struct run *run, const struct path *path, const struct json *values)
{
	struct buf en, zh;
	size_t n = 0;
	if (run->quiet) return false;
	buf_init(&en, 64 * 1024);
	buf_init(&zh, 64 * 1024);
	BUF_LIT(&en, "must be one of ");
	BUF_LIT(&zh, "必须是以下值之一：");
	for (const struct json *m = json_first(values); m && n < LISTED_MAX; m = json_next(m), n++) {
		struct json_writer w;
		if (n) {
			BUF_LIT(&en, ", ");
			BUF_LIT(&zh, "、");
		}
		for (int i = 0; i < 2; i++) {
			json_write_init(&w, i ? &zh : &en);
			if (json_type(m) == JSON_STRING)
				buf_str(w.out, json_string(m));
			else
				json_put_tree(&w, m);
		}
	}
	if (json_count(values) > LISTED_MAX) {
		BUF_LIT(&en, ", …");
		BUF_LIT(&zh, "…");
	}
	add(run, path, "enum", buf_view(&en), buf_view(&zh));
	buf_free(&en);
	buf_free(&zh);
	return false;
}
