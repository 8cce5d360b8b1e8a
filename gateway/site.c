/* What the gateway says about itself: the contract for each audience, the API catalogue, and the list of operations. */
#include "gateway/site.h"

#include <stdio.h>

#include "common/core/id.h"
#include "common/crypto/crypto.h"
#include "common/json/json_write.h"
#include "gateway/openapi.h"

enum { CATALOG_BYTES_MAX = 64 * 1024, OPERATIONS_BYTES_MAX = 4 * 1024 * 1024, ETAG_BYTES = 16 };

struct audience_row {
	const char *name; /* NULL: all */
	unsigned bits;
	const char *title;
};
static const struct audience_row audiences[SITE_AUDIENCES] = {
	{ NULL, AUDIENCE_ALL, "全部 · everybody" },
	{ "public", AUDIENCE_PUBLIC, "公众 · public" },
	{ "citizen", AUDIENCE_CITIZEN, "市民 · citizens" },
	{ "partner", AUDIENCE_PARTNER, "合作方 · partners" },
	{ "staff", AUDIENCE_STAFF, "工作人员 · staff" },
};

int site_audience(struct str name)
{
	if (!name.p) return 0;
	for (int i = 1; i < SITE_AUDIENCES; i++)
		if (str_eq(name, str_of(audiences[i].name))) return i;
	return -1;
}

enum err page_of(struct arena *a, struct str body, struct page *out)
{
	unsigned char digest[SHA256_BYTES];
	char hex[2 * ETAG_BYTES];
	sha256(body, digest);
	id_hex(digest, ETAG_BYTES, hex);
	*out = (struct page){ .body = body, .etag = arena_printf(a, "\"%.*s\"", (int)sizeof hex, hex) };
	return out->etag.p ? ERR_NONE : ERR_MEMORY;
}

enum err page_code(struct arena *a, struct page *p)
{
	if (p->body.n < CODING_BYTES_MIN) return ERR_NONE;
	for (int i = CODING_GZIP; i < CODING_COUNT; i++) p->coded[i] = coding_compress(a, (enum coding)i, p->body);
	return a->overflow ? ERR_MEMORY : ERR_NONE;
}

enum err page_keep(struct arena *a, struct buf *text, struct page *out)
{
	struct str body = buf_ok(text) ? arena_str(a, buf_view(text)) : STR_NONE;
	buf_free(text);
	return body.p ? page_of(a, body, out) : ERR_MEMORY;
}

/* ---- /.well-known/api-catalog: RFC 9727, a link set of RFC 9264 ---- */

static void put_url(struct json_writer *w, struct str url, const char *path)
{
	char text[512];
	int n = snprintf(text, sizeof text, "%.*s%s", STR_FMT(url), path);
	json_put_member_str(w, "href", str_span(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1));
}

static void put_link(struct json_writer *w, struct str url, const char *path, const char *type, const char *title)
{
	json_begin_object(w);
	put_url(w, url, path);
	json_put_member_str(w, "type", str_of(type));
	if (title) json_put_member_str(w, "title", str_of(title));
	json_end_object(w);
}

static void put_descriptions(struct json_writer *w, struct str url)
{
	json_put_key(w, STR("service-desc"));
	json_begin_array(w);
	for (int i = 0; i < SITE_AUDIENCES; i++) {
		char path[64];
		snprintf(path, sizeof path, "/openapi.json%s%s", i ? "?audience=" : "", i ? audiences[i].name : "");
		put_link(w, url, path, "application/json", audiences[i].title);
	}
	json_end_array(w);
}

static enum err write_catalog(struct arena *a, struct str url, struct page *out)
{
	struct buf text;
	struct json_writer w;
	buf_init(&text, CATALOG_BYTES_MAX);
	json_write_init(&w, &text);
	json_begin_object(&w);
	json_put_key(&w, STR("linkset"));
	json_begin_array(&w);
	json_begin_object(&w);
	json_put_member_str(&w, "anchor", url);
	put_descriptions(&w, url);
	json_put_key(&w, STR("service-doc"));
	json_begin_array(&w);
	put_link(&w, url, "/docs", "text/html", NULL);
	put_link(&w, url, "/problems/", "text/html", NULL);
	json_end_array(&w);
	json_put_key(&w, STR("service-meta"));
	json_begin_array(&w);
	put_link(&w, url, "/.well-known/oauth-authorization-server", "application/json", NULL);
	json_end_array(&w);
	json_end_object(&w);
	json_end_array(&w);
	json_end_object(&w);
	return page_keep(a, &text, out);
}

/* ---- the list of operations, for whoever has no script ---- */

static void put_callers(struct buf *out, unsigned bits)
{
	for (int i = bits & AUDIENCE_PUBLIC ? SITE_AUDIENCES : 1; i < SITE_AUDIENCES; i++)
		if (audiences[i].bits & bits) buf_printf(out, "%s<br>", audiences[i].title);
	if (bits & AUDIENCE_PUBLIC) BUF_LIT(out, "公众 · public");
}

static void put_operation(struct buf *out, const struct operation *op, unsigned bits)
{
	buf_printf(out, "<tr id=\"%.*s\"><td><code>%.*s</code><td><code>", STR_FMT(op->id), STR_FMT(op->method));
	html_text(out, op->path);
	BUF_LIT(out, "</code><br><span lang=en>");
	html_text(out, op->summary);
	BUF_LIT(out, "</span><td>");
	put_callers(out, bits);
}

static enum err write_operations(struct arena *a, const struct contract *c, struct page *out)
{
	struct buf text;
	struct str service = STR_NONE;
	buf_init(&text, OPERATIONS_BYTES_MAX);
	html_begin(&text, STR("接口列表 · Operations"));
	BUF_LIT(&text, "<h1>接口列表 <span lang=en>Operations</span></h1><p><a href=/openapi.json>openapi.json</a> · "
		       "<a href=/problems/>问题类型 problems</a></p><table>");
	for (unsigned i = 0; i < c->operation_count; i++) {
		const struct operation *op = &c->operations[i];
		unsigned bits = contract_audiences(c, op);
		if (!bits) continue;
		if (!str_eq(service, op->service)) {
			BUF_LIT(&text, "<tr><th colspan=3><h2>");
			html_text(&text, op->service);
			BUF_LIT(&text, "</h2></th>");
		}
		service = op->service;
		put_operation(&text, op, bits);
	}
	BUF_LIT(&text, "</table></body></html>");
	return page_keep(a, &text, out);
}

enum err site_make(struct arena *a, const struct contract *c, struct str public_url, struct site *out)
{
	for (int i = 0; i < SITE_AUDIENCES; i++) {
		struct str text;
		TRY(openapi_write(a, c, audiences[i].bits, public_url, &text));
		TRY(page_of(a, text, &out->openapi[i]));
		TRY(page_code(a, &out->openapi[i]));
	}
	TRY(write_catalog(a, public_url, &out->catalog));
	TRY(problem_write_index(a, c, &out->problems));
	TRY(page_code(a, &out->problems));
	TRY(write_operations(a, c, &out->operations));
	return page_code(a, &out->operations);
}
