/* The interactive documentation: a fixed list of files, read once at boot, and the page that names them by their versions. */
#include "gateway/docs.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/core/config.h"
#include "common/core/log.h"

enum {
	FILE_BYTES_MAX = 4 * 1024 * 1024,
	DOCS_BYTES_MAX = 16 * 1024 * 1024,
	PAGE_BYTES_MAX = 16 * 1024,
	VERSION_BYTES = 16
};

#define PACKAGE "node_modules/swagger-ui-dist/"
#define TYPE(text)                                                                                                     \
	{                                                                                                              \
		text, sizeof text - 1                                                                                  \
	}
static const struct docs_file files[] = {
	{ "swagger-ui.css", PACKAGE "swagger-ui.css", TYPE("text/css; charset=utf-8"), { .body = { 0 } } },
	{ "swagger-ui-bundle.js", PACKAGE "swagger-ui-bundle.js", TYPE("text/javascript; charset=utf-8"),
	    { .body = { 0 } } },
	{ "favicon-32x32.png", PACKAGE "favicon-32x32.png", TYPE("image/png"), { .body = { 0 } } },
	{ "docs.css", "docs.css", TYPE("text/css; charset=utf-8"), { .body = { 0 } } },
	{ "docs.js", "docs.js", TYPE("text/javascript; charset=utf-8"), { .body = { 0 } } },
};

struct docs {
	struct arena arena;
	struct docs_file files[ARRAY_LEN(files)];
	struct page page;
};

static enum err read_file(struct docs *d, const char *dir, struct docs_file *f)
{
	struct str path = arena_printf(&d->arena, "%s/%s", dir, f->path), bytes;
	if (!path.p) return ERR_MEMORY;
	if (access(path.p, R_OK) != 0) return ERR_IO; /* nothing to log: it may well not be installed */
	TRY(config_read_file(&d->arena, path.p, FILE_BYTES_MAX, &bytes));
	TRY(page_of(&d->arena, bytes, &f->page));
	return coding_suits(f->type) ? page_code(&d->arena, &f->page) : ERR_NONE;
}

/* "/docs/docs.js?v=0123456789abcdef" */
static void put_link(struct buf *out, const struct docs *d, const char *name)
{
	const struct docs_file *f = docs_find(d, str_of(name));
	buf_printf(out, "\"/docs/%s?v=%.*s\"", name, VERSION_BYTES, f->page.etag.p + 1);
}

static enum err write_page(struct docs *d)
{
	struct buf out;
	buf_init(&out, PAGE_BYTES_MAX);
	BUF_LIT(&out, "<!doctype html><html lang=zh-CN><head><meta charset=utf-8><meta name=viewport content=\"width="
		      "device-width\"><title>阳光接口文档 · Yangguang API</title><link rel=icon href=");
	put_link(&out, d, "favicon-32x32.png");
	BUF_LIT(&out, "><link rel=stylesheet href=");
	put_link(&out, d, "swagger-ui.css");
	BUF_LIT(&out, "><link rel=stylesheet href=");
	put_link(&out, d, "docs.css");
	BUF_LIT(&out, "></head><body><header><h1>阳光接口文档 <span lang=en>Yangguang API</span></h1><nav>"
		      "<a href=\"/docs\">全部 All</a> <a href=\"/docs?audience=public\">公众 Public</a> "
		      "<a href=\"/docs?audience=citizen\">市民 Citizens</a> <a href=\"/docs?audience=partner\">合作方 "
		      "Partners</a> <a href=\"/docs?audience=staff\">工作人员 Staff</a> <a class=other "
		      "href=\"/docs/operations\">列表 List</a> <a class=other href=\"/problems/\">问题 Problems</a>"
		      "</nav></header><main id=docs><noscript><p><a href=\"/docs/operations\">接口列表 <span "
		      "lang=en>Operations</span></a></p></noscript></main><script src=");
	put_link(&out, d, "swagger-ui-bundle.js");
	BUF_LIT(&out, "></script><script src=");
	put_link(&out, d, "docs.js");
	BUF_LIT(&out, "></script></body></html>");
	TRY(page_keep(&d->arena, &out, &d->page));
	return page_code(&d->arena, &d->page);
}

struct docs *docs_open(const char *dir)
{
	struct docs *d = calloc(1, sizeof *d);
	CHECK(d != NULL);
	arena_init(&d->arena, 4096, DOCS_BYTES_MAX);
	memcpy(d->files, files, sizeof files);
	enum err e = ERR_NONE;
	for (unsigned i = 0; e == ERR_NONE && i < ARRAY_LEN(files); i++) e = read_file(d, dir, &d->files[i]);
	if (e == ERR_NONE) e = write_page(d);
	if (e == ERR_NONE) return d;
	log_line(LOG_INFO, "no interactive documentation", "%s is not whole: /docs is the plain list", dir);
	docs_free(d);
	return NULL;
}

void docs_free(struct docs *d)
{
	if (!d) return;
	arena_release(&d->arena);
	free(d);
}

const struct page *docs_page(const struct docs *d)
{
	return &d->page;
}

const struct docs_file *docs_find(const struct docs *d, struct str name)
{
	for (unsigned i = 0; i < ARRAY_LEN(files); i++)
		if (str_eq(name, str_of(d->files[i].name))) return &d->files[i];
	return NULL;
}

bool docs_is_versioned(const struct docs_file *f, struct str query)
{
	return query.n == 2 + VERSION_BYTES && str_starts(query, STR("v=")) &&
	       str_eq(str_from(query, 2), str_span(f->page.etag.p + 1, VERSION_BYTES));
}
