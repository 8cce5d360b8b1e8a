/*
 * serve page: the few paths that are the gateway's own. The index, the contract for each audience, the API catalogue, one page per kind
 * of problem (the `type` of a problem answer is its address), and the documentation. Public, small, the same for everybody.
 */
#include "gateway/docs.h"
#include "gateway/request.h"

enum { PROBLEM_BYTES_MAX = 32 * 1024 };

static const char index_page[] =
    "<!doctype html><html lang=zh-CN><head><meta charset=utf-8><title>Yangguang 阳光</title><style>body{font:16px/1.6 "
    "system-ui,sans-serif;max-width:42em;margin:3em auto;padding:0 1em}</style></head><body><h1>阳光 Yangguang</h1>"
    "<p>红十字会信息平台的接口。<br>The programming interface of a Red Cross.</p><ul>"
    "<li><a href=/docs>接口文档 / documentation</a><li><a href=/openapi.json>openapi.json</a>: 接口契约 / the contract"
    "<li><a href=/problems/>问题类型 / kinds of problems</a><li><a href=/.well-known/api-catalog>api-catalog</a></ul>"
    "</body></html>";

#define FIELD(name, value)                                                                                             \
	{                                                                                                              \
		{ name, sizeof name - 1 },                                                                             \
		{                                                                                                      \
			value, sizeof value - 1                                                                        \
		}                                                                                                      \
	}
#define SHORTLY FIELD("Cache-Control", "public, max-age=300")
#define CLOSED  "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
static const struct http_field html_fields[] = {
	SHORTLY,
	FIELD("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'" CLOSED),
	FIELD("Referrer-Policy", "no-referrer"),
	FIELD("Vary", "Accept"),
};
/* Everything from here and nothing from elsewhere; the style sheet has pictures in itself. */
static const struct http_field docs_fields[] = {
	SHORTLY,
	FIELD("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; object-src 'none'" CLOSED),
	FIELD("Referrer-Policy", "no-referrer"),
};
static const struct http_field versioned_fields[] = { FIELD("Cache-Control", "public, max-age=31536000, immutable") };
static const struct http_field file_fields[] = { SHORTLY };
static const struct http_field openapi_fields[] = { FIELD("Cache-Control", "public, max-age=60") };
static const struct http_field catalog_fields[] = {
	SHORTLY,
	FIELD("Link", "</.well-known/api-catalog>; rel=\"api-catalog\"; type=\"application/linkset+json\""),
};

#define HTML STR("text/html; charset=utf-8")

static bool etag_matches(const struct request *r, struct str etag)
{
	struct str list = coding_etags_plain(&r->x->arena, http_get(r->x->fields, STR("if-none-match"))), part;
	while (str_cut(&list, ',', &part)) {
		part = str_trim(part);
		if (str_starts(part, STR("W/"))) part = str_from(part, 2);
		if (str_eq(part, etag) || str_eq(part, STR("*"))) return true;
	}
	return false;
}

/* With its ETag, or 304. */
static enum next answer_page(
    struct request *r, const struct page *page, struct str type, const struct http_field *fields, unsigned count)
{
	struct http_field *f = arena_array(&r->x->arena, count + 1, sizeof *f);
	if (!f) return request_fail(r, ERR_MEMORY);
	memcpy(f, fields, count * sizeof *f);
	r->page = page;
	f[count] = (struct http_field){ STR("ETag"), page->etag };
	if (etag_matches(r, page->etag)) return request_answer(r, 304, STR_NONE, f, count + 1, STR_NONE);
	return request_answer(r, 200, type, f, count + 1, page->body);
}

/* ---- kinds of problems ---- */

/* One look at Accept: JSON when it is named, a page otherwise. */
static bool wants_json(const struct request *r)
{
	return http_list_has(r->x->fields, STR("accept"), STR("application/json")) ||
	       http_list_has(r->x->fields, STR("accept"), STR("application/problem+json"));
}

/* The slug was found in our own tables and titles come from our contracts: nothing of the client is written into the page. */
static enum next answer_problem(struct request *r, struct str slug)
{
	struct problem_page p;
	struct buf out;
	bool json = wants_json(r);
	if (!problem_find(r->plan->contract, slug, &p)) return request_fail(r, ERR_NOT_FOUND);
	buf_init(&out, PROBLEM_BYTES_MAX);
	if (json)
		problem_write_json(&out, &p);
	else
		problem_write_html(&out, &p);
	struct page *page = ARENA_NEW(&r->x->arena, struct page);
	if (!page || page_keep(&r->x->arena, &out, page) != ERR_NONE) return request_fail(r, ERR_MEMORY);
	return answer_page(r, page, json ? STR("application/json") : HTML, html_fields, ARRAY_LEN(html_fields));
}

static enum next serve_problem(struct request *r)
{
	struct str slug = str_from(r->path, sizeof "/problems/" - 1);
	if (slug.n) return answer_problem(r, slug);
	return answer_page(r, &r->plan->site.problems, HTML, html_fields, ARRAY_LEN(html_fields));
}

/* ---- for programs ---- */

static struct str audience_of(struct str query)
{
	struct str part;
	while (str_cut(&query, '&', &part))
		if (str_starts(part, STR("audience="))) return str_from(part, sizeof "audience=" - 1);
	return STR_NONE;
}

static enum next serve_openapi(struct request *r)
{
	int i = site_audience(audience_of(r->x->query));
	if (i < 0)
		return request_fail_detail(r, ERR_VALIDATION_FAILED, "audience is public, citizen, partner or staff",
		    "audience 只能是 public、citizen、partner 或 staff");
	return answer_page(
	    r, &r->plan->site.openapi[i], STR("application/json"), openapi_fields, ARRAY_LEN(openapi_fields));
}

static enum next serve_catalog(struct request *r)
{
	return answer_page(r, &r->plan->site.catalog,
	    STR("application/linkset+json; profile=\"https://www.rfc-editor.org/info/rfc9727\""), catalog_fields,
	    ARRAY_LEN(catalog_fields));
}

/* ---- for people ---- */

static enum next serve_index(struct request *r)
{
	return request_answer(
	    r, 200, HTML, html_fields, ARRAY_LEN(html_fields), str_span(index_page, sizeof index_page - 1));
}

static enum next serve_operations(struct request *r)
{
	return answer_page(r, &r->plan->site.operations, HTML, html_fields, ARRAY_LEN(html_fields));
}

static enum next serve_docs(struct request *r)
{
	const struct docs *d = r->gateway->docs;
	if (!d) return serve_operations(r);
	return answer_page(r, docs_page(d), HTML, docs_fields, ARRAY_LEN(docs_fields));
}

static enum next serve_docs_file(struct request *r)
{
	const struct docs *d = r->gateway->docs;
	const struct docs_file *f = d ? docs_find(d, str_from(r->path, sizeof "/docs/" - 1)) : NULL;
	if (!f) return request_fail(r, ERR_NOT_FOUND);
	bool versioned = docs_is_versioned(f, r->x->query);
	return answer_page(r, &f->page, f->type, versioned ? versioned_fields : file_fields, 1);
}

/* A path that ends in '/' stands for all below it. */
struct served {
	struct str path;
	enum next (*serve)(struct request *r);
};
static const struct served table[] = {
	{ { "/", 1 }, serve_index },
	{ { "/openapi.json", 13 }, serve_openapi },
	{ { "/.well-known/api-catalog", 24 }, serve_catalog },
	{ { "/docs", 5 }, serve_docs },
	{ { "/docs/operations", 16 }, serve_operations },
	{ { "/docs/", 6 }, serve_docs_file },
	{ { "/problems/", 10 }, serve_problem },
};

static const struct served *find(struct str path)
{
	for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
		struct str own = table[i].path;
		bool folder = own.n > 1 && own.p[own.n - 1] == '/';
		if (folder ? str_starts(path, own) : str_eq(path, own)) return &table[i];
	}
	return NULL;
}

enum next pages_serve(struct request *r)
{
	const struct served *s = r->operation ? NULL : find(r->path);
	if (!s) return NEXT_STEP;
	r->metrics = &r->gateway->pages;
	r->allow = STR("GET, HEAD, OPTIONS");
	if (!str_eq(r->method, STR("GET")) && !str_eq(r->method, STR("HEAD")))
		return NEXT_STEP; /* preflight says 204 or 405 */
	return s->serve(r);
}
