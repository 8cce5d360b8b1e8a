/* The set of statements of one process: read from folders, found by name. */
#include "common/pg/statement.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "common/core/config.h"
#include "common/pg/binary_form.h"

enum { FILES_MAX = 2048 };

void pg_statement_set_init(struct pg_statement_set *set, struct arena *boot)
{
	*set = (struct pg_statement_set){ 0 };
	map_init(&set->by_name, boot);
}

bool pg_statement_set_add(struct arena *boot, struct pg_statement_set *set, struct pg_statement *s)
{
	if (map_get(&set->by_name, s->name)) return false;
	if (set->count == set->cap) {
		unsigned cap = set->cap ? set->cap * 2 : 64;
		struct pg_statement **grown = arena_array(boot, cap, sizeof(struct pg_statement *));
		if (!grown) return false;
		if (set->count) memcpy(grown, set->items, set->count * sizeof(struct pg_statement *));
		set->items = grown;
		set->cap = cap;
	}
	if (!map_set(&set->by_name, s->name, s)) return false;
	set->items[set->count++] = s;
	return true;
}

const struct pg_statement *pg_statement_find(const struct pg_statement_set *set, struct str name)
{
	return map_get(&set->by_name, name);
}

int pg_statement_param(const struct pg_statement *s, struct str name)
{
	for (unsigned i = 0; i < s->param_count; i++)
		if (str_eq(s->params[i].name, name)) return (int)i;
	return -1;
}

int pg_statement_column(const struct pg_statement *s, struct str name)
{
	for (unsigned i = 0; i < s->column_count; i++)
		if (str_eq(s->columns[i].name, name)) return (int)i;
	return -1;
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Names of the folder's *.sql files, sorted by bytes. */
static enum err list_files(struct arena *boot, const char *dir, struct str *names, unsigned *count, struct buf *report)
{
	DIR *d = opendir(dir);
	if (!d) {
		buf_printf(report, "%s: %s\n", dir, strerror(errno));
		return ERR_CONFIG;
	}
	*count = 0;
	enum err e = ERR_NONE;
	for (struct dirent *entry; (entry = readdir(d));) {
		struct str name = str_of(entry->d_name);
		if (name.p[0] == '.' || !str_ends(name, STR(".sql"))) continue;
		if (*count == FILES_MAX) {
			buf_printf(report, "%s: more than %d files\n", dir, FILES_MAX);
			e = ERR_CONFIG;
			break;
		}
		names[(*count)++] = arena_str(boot, name);
	}
	closedir(d);
	qsort(names, *count, sizeof *names, by_text);
	return e;
}

static enum err load_file(
    struct arena *boot, const char *dir, struct str base, struct pg_statement_set *set, struct buf *report)
{
	struct str path = arena_printf(boot, "%s/%.*s", dir, STR_FMT(base)), text;
	if (!path.p) return ERR_CONFIG;
	if (config_read_file(boot, path.p, PG_STATEMENT_BYTES_MAX, &text)) {
		buf_printf(report, "%s: cannot be read, or is larger than 64 KiB\n", path.p);
		return ERR_CONFIG;
	}
	struct pg_statement *s;
	TRY(pg_statement_parse(boot, str_span(base.p, base.n - 4), path, text, &s, report));
	if (pg_statement_set_add(boot, set, s)) return ERR_NONE;
	buf_printf(report, "%s: a statement of this name exists in another folder\n", path.p);
	return ERR_CONFIG;
}

bool pg_statement_may_be_binary(const struct pg_statement *s)
{
	if (!s->described || s->batch_max) return false;
	for (unsigned i = 0; i < s->column_count; i++)
		if (!binary_form_reads(s->columns[i].type)) return false;
	return true;
}

enum err pg_statements_load(
    struct arena *boot, const char *const *dirs, struct pg_statement_set *out, struct buf *report)
{
	enum err result = ERR_NONE;
	pg_statement_set_init(out, boot);
	struct str *names = arena_array(boot, FILES_MAX, sizeof *names);
	if (!names) return ERR_CONFIG;
	for (; *dirs; dirs++) {
		unsigned count = 0;
		if (list_files(boot, *dirs, names, &count, report)) result = ERR_CONFIG;
		for (unsigned i = 0; i < count; i++)
			if (load_file(boot, *dirs, names[i], out, report)) result = ERR_CONFIG;
	}
	if (boot->overflow) {
		BUF_LIT(report, "the statements need too much memory\n");
		result = ERR_CONFIG;
	}
	return result;
}
