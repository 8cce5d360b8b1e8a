/* Writing a workbook. Texts are written as texts, whatever they begin with; the header row stays in sight; nothing touches the disk but
 * libxlsxwriter's own nameless temporary files. */
#include "services/donations/workbook.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xlsxwriter.h>

#include "common/core/id.h"
#include "common/core/log.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"

enum { PATH_BYTES = 40, FILE_BYTES_MAX = 8 * 1024 * 1024 };
static const char library[] = "libxlsxwriter.so.4";
static const double fen_in_a_yuan = 100.0;

#define FUNCTIONS(X)                                                                                                   \
	X(workbook_new_opt)                                                                                            \
	X(workbook_add_worksheet)                                                                                      \
	X(workbook_add_format)                                                                                         \
	X(workbook_close)                                                                                              \
	X(format_set_bold)                                                                                             \
	X(format_set_num_format)                                                                                       \
	X(worksheet_set_column)                                                                                        \
	X(worksheet_freeze_panes)                                                                                      \
	X(worksheet_write_string)                                                                                      \
	X(worksheet_write_number)

#define MEMBER(name) __typeof__(&name) name;
struct functions {
	FUNCTIONS(MEMBER)
};

static bool find(void *handle, struct functions *f)
{
	bool all = true;
#define FIND(name)                                                                                                     \
	*(void **)(void *)&f->name = dlsym(handle, #name);                                                             \
	all = all && f->name;
	FUNCTIONS(FIND)
	return all;
}

struct sheet {
	const struct functions *lib;
	struct arena *arena;
	lxw_worksheet *sheet;
	lxw_format *money;
};

static const char *text_of(struct arena *a, struct str s)
{
	return arena_printf(a, "%.*s", STR_FMT(s)).p;
}

static bool put_text(struct sheet *s, lxw_row_t row, lxw_col_t column, struct str value, lxw_format *format)
{
	const char *text = text_of(s->arena, value);
	return text && s->lib->worksheet_write_string(s->sheet, row, column, text, format) == LXW_NO_ERROR;
}

static bool put_row(struct sheet *s, lxw_row_t row, const struct json *cells)
{
	lxw_col_t column = 0;
	for (const struct json *c = json_first(cells); c; c = json_next(c), column++) {
		int64_t fen;
		if (json_type(c) == JSON_NULL) continue;
		if (json_type(c) == JSON_STRING) {
			if (!put_text(s, row, column, json_string(c), NULL)) return false;
			continue;
		}
		if (!json_int64(c, &fen)) return false;
		if (s->lib->worksheet_write_number(s->sheet, row, column, (double)fen / fen_in_a_yuan, s->money) !=
		    LXW_NO_ERROR)
			return false;
	}
	return true;
}

static bool put_all(struct sheet *s, lxw_format *bold, const struct json *cells)
{
	lxw_col_t column = 0;
	lxw_row_t row = 0;
	for (const struct json *c = json_first(json_get(cells, STR("columns"))); c; c = json_next(c), column++) {
		s->lib->worksheet_set_column(s->sheet, column, column, json_double(json_at(c, 1)), NULL);
		if (!put_text(s, row, column, json_string(json_at(c, 0)), bold)) return false;
	}
	s->lib->worksheet_freeze_panes(s->sheet, 1, 0);
	for (const struct json *r = json_first(json_get(cells, STR("rows"))); r; r = json_next(r))
		if (!put_row(s, ++row, r)) return false;
	return true;
}

static enum err write_to(struct workbook *w, const struct functions *lib, const char *path, const struct json *cells)
{
	lxw_workbook_options options = { .constant_memory = LXW_TRUE };
	lxw_workbook *book = lib->workbook_new_opt(path, &options);
	if (!book) return ERR_MEMORY;
	const char *name = text_of(&w->arena, json_get_str(cells, "sheet"));
	struct sheet s = { .lib = lib, .arena = &w->arena, .sheet = lib->workbook_add_worksheet(book, name) };
	lxw_format *bold = lib->workbook_add_format(book);
	s.money = lib->workbook_add_format(book);
	bool whole = s.sheet && bold && s.money;
	if (whole) {
		lib->format_set_bold(bold);
		lib->format_set_num_format(s.money, "#,##0.00");
		whole = put_all(&s, bold, cells);
	}
	return lib->workbook_close(book) == LXW_NO_ERROR && whole ? ERR_NONE : ERR_INTERNAL;
}

static enum err read_back(struct workbook *w, int fd)
{
	unsigned char digest[SHA256_BYTES];
	struct stat st;
	if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > FILE_BYTES_MAX) return ERR_INTERNAL;
	size_t size = (size_t)st.st_size;
	char *bytes = arena_alloc(&w->arena, size);
	if (!bytes) return ERR_MEMORY;
	for (size_t n = 0; n < size;) {
		ssize_t got = pread(fd, bytes + n, size - n, (off_t)n);
		if (got <= 0) return ERR_INTERNAL;
		n += (size_t)got;
	}
	w->file = str_span(bytes, size);
	sha256(w->file, digest);
	id_hex(digest, sizeof digest, w->sha256);
	w->sha256[2 * SHA256_BYTES] = 0;
	return ERR_NONE;
}

static enum err make(struct workbook *w, const struct functions *lib)
{
	char path[PATH_BYTES];
	struct json_error error;
	const struct json *cells;
	TRY(json_read(&w->arena, w->cells, JSON_DEPTH_MAX, &cells, &error));
	int fd = memfd_create("workbook", MFD_CLOEXEC);
	if (fd < 0) return ERR_INTERNAL;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	enum err e = write_to(w, lib, path, cells);
	if (e == ERR_NONE) e = read_back(w, fd);
	(void)close(fd);
	return w->arena.overflow ? ERR_MEMORY : e;
}

void workbook_make(void *arg)
{
	struct workbook *w = arg;
	struct functions lib;
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	w->err = ERR_UNAVAILABLE;
	if (!handle || !find(handle, &lib))
		log_line(LOG_ERROR, "workbook", "%s cannot be loaded", library);
	else
		w->err = make(w, &lib);
	if (handle) (void)dlclose(handle);
}
